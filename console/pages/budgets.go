package pages

import (
	"slices"
	"strings"

	"github.com/bursar-dev/bursar/console/api"
)

// budgetPage is a tenant's budget.
type budgetPage struct {
	Budget  *api.Budget
	Tree    tree
	Meters  []Meter
	Users   []userLimitRow
	Rungs   []api.Rung
	Problem string
	Changes []changeRow
	Grants  []grantRow
	// MoreChanges and MoreGrants are how many more there are.
	MoreChanges, MoreGrants int64

	HasHistory bool
	Facts      facts
	Success    success
	// Form is the form that ends a grant, and GrantTo the page that makes one.
	Form    form
	GrantTo string
	// Requests is how many requests wait for a decision, and RequestsTo their page.
	Requests   int64
	RequestsTo string
	Kinds      []link
	// The pages on which the budget is changed; empty if the reader may not.
	ChangeLimits, ChangeLadder, ChangeAlerts string
	Email                                    []string
	Policies                                 []policyRow
}

// userLimitRow is a limit of each user.
type userLimitRow struct{ Name, Period, Amount string }

// policyRow are the rate limits of a RateLimitPolicy.
type policyRow struct {
	Name, To, Problem string
	Rates             []Rate
}

// changeRow is a change of a budget.
type changeRow struct{ When, What, From, To, By, Through string }

// grantRow is a grant.
type grantRow struct {
	Name, Limit, Whose, Reason, By, Until, UntilIn, State, Class string
	Amount                                                       api.Money
	// End is the page that ends it; empty if the reader may not.
	End string
}

// budgets is the page of a tenant's budget.
func (p *Pages) budgets(q *request) (view, error) {
	budget := q.budget
	if budget == nil {
		return view{}, forbiddenPage()
	}
	rows, err := p.tree(q.ctx, q, forecasts{})
	if err != nil {
		return view{}, err
	}
	page := &budgetPage{
		Budget: budget, Rungs: budget.Ladder, Tree: rows,
		Success: q.success(), Form: q.form(), GrantTo: q.path("/grants/new", nil), RequestsTo: q.path("/requests", nil),
		Facts: q.facts(q.now),
	}
	for _, limit := range budget.Limits {
		page.Meters = append(page.Meters, q.meter(limit))
	}
	for _, limit := range budget.UserLimits {
		page.Users = append(page.Users, userLimitRow{limit.Name, q.l.period(limit.Period), q.l.written(limit.Amount, budget.Currency)})
	}
	if budget.Ready.Status == "False" {
		page.Problem = budget.Ready.Message
	}
	page.tellRates(q)
	if q.tenant.isAdmin {
		page.ChangeLimits, page.ChangeLadder, page.ChangeAlerts = q.path("/budgets/limits", nil), q.path("/budgets/ladder", nil), q.path("/budgets/alerts", nil)
		if alerts := budget.Written.Alerts; alerts != nil {
			page.Email = alerts.Email
		}
		if err := p.tellPast(q, page); err != nil {
			return view{}, err
		}
	}
	return view{template: "budgets", title: q.l.say("Budget"), body: page}, nil
}

// tellRates adds the tenant's rate limits to the page.
func (page *budgetPage) tellRates(q *request) {
	for _, policy := range page.Budget.Rates {
		row := policyRow{Name: policy.Policy}
		if q.tenant.isAdmin {
			row.To = q.path(ratesPath+policy.Policy, nil)
		}
		if policy.Ready.Status == "False" {
			row.Problem = policy.Ready.Message
		}
		for _, limit := range policy.Limits {
			unit, count := countOf(limit)
			if unit == "concurrent" {
				unit = "inFlight"
			}
			of := api.RateLimit{Name: limit.Name, Tenant: q.tenant.Name, Per: limit.Per, Selection: limit.Selection, Unit: unit, Window: limit.Window}
			if count != nil {
				of.Amount = *count
			}
			row.Rates = append(row.Rates, q.rate(of))
		}
		page.Policies = append(page.Policies, row)
	}
}

// mostListed is how many items a list without pages shows.
const mostListed = 50

// listed is the part of a list that a page shows, and how many more items there are.
func listed[T any](all []T) (shown []T, more int64) {
	n := min(len(all), mostListed)
	return all[:n], int64(len(all) - n)
}

// tellPast adds to the page how the budget was changed, and what was granted.
func (p *Pages) tellPast(q *request, page *budgetPage) error {
	page.HasHistory = true
	changes, err := p.ask.changes(q.ctx, q.who, &api.ChangesInput{BudgetInput: api.BudgetInput{Tenant: q.tenant.Name}})
	if err != nil {
		return err
	}
	slices.Reverse(changes.Changes)
	latest, more := listed(changes.Changes)
	page.MoreChanges = more
	for _, c := range latest {
		row := changeRow{When: q.l.moment(c.At.In(q.tenant.zone)), What: c.Limit, From: c.From, To: c.To, By: strings.Join(c.By, ", "), Through: c.FieldManager}
		if row.What == "" {
			row.What = q.l.say("The whole budget")
		}
		page.Changes = append(page.Changes, row)
	}
	return p.tellGrants(q, page)
}
