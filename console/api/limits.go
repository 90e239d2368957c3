package api

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bursar-dev/bursar/api/callers"
	"github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/auth"
)

// Limits are how limits stand for somebody.
type Limits struct {
	Tenant   string      `json:"tenant"`
	User     string      `json:"user" doc:"Whose limits per user these are."`
	Tier     string      `json:"tier,omitempty"`
	Currency string      `json:"currency" doc:"The currency that the budget's limits are written in, and in which more is asked for. Figures here are in US dollars."`
	AsOf     time.Time   `json:"asOf" doc:"When this was read. The tenant's own figures are those of the status of its TenantBudget, a user's are of the ledger."`
	Money    []Limit     `json:"money" nullable:"false" doc:"The money limits that your calls count against."`
	Rates    []RateLimit `json:"rates" nullable:"false" doc:"The rate limits that your calls count against. How much of them is left, each answer of a call says exactly, in x-ratelimit-*."`
}

// Limit is how a money limit stands.
type Limit struct {
	Name   string `json:"name"`
	Tenant string `json:"tenant" doc:"Whose limit it is."`
	Per    string `json:"per" enum:"Tenant,User"`
	Period string `json:"period"`
	Selection
	Amount    *Money     `json:"amount,omitempty" doc:"The limit, with what was granted. Absent: it is the tenant's, and you do not administer that."`
	Spent     *Money     `json:"spent,omitempty" doc:"What calls that have ended cost in this period. Absent: as of amount."`
	Held      *Money     `json:"held,omitempty" doc:"The most that open calls can cost. Absent: as of amount, or the limit is per user, of which no record is kept."`
	Left      *Money     `json:"left,omitempty" doc:"What is left: amount without spent and held, at least 0. Absent: as of amount."`
	Percent   int64      `json:"percent" doc:"Spent as a percentage of amount, rounded down."`
	Rung      string     `json:"rung,omitempty" doc:"The action of the highest rung of the ladder that was reached: Warn, Downgrade or Trip. Absent: none, or the limit is per user."`
	ResetsAt  time.Time  `json:"resetsAt" doc:"When the period turns, and spent begins again at zero."`
	Exhausts  *time.Time `json:"exhaustsAt,omitempty" doc:"When the amount will be used up, if spending goes on as in the last minutes. Absent: no sign that it will, or the limit is per user."`
	Exhausted bool       `json:"exhausted" doc:"Whether nothing is left."`
}

// Selection is which calls count against a limit.
type Selection struct {
	Tiers  []string          `json:"tiers,omitempty" doc:"The tiers whose calls count. Absent: all."`
	Models []string          `json:"models,omitempty" doc:"The models whose calls count. Absent: all."`
	Groups []string          `json:"groups,omitempty" doc:"The groups of which a caller is in one whose calls count. Absent: all callers."`
	Labels map[string]string `json:"labels,omitempty" doc:"The labels, all of them, of callers whose calls count. Absent: all callers."`
}

// RateLimit is a limit of requests, tokens or calls at once.
type RateLimit struct {
	Name   string `json:"name"`
	Policy string `json:"policy" doc:"The RateLimitPolicy that it is of."`
	Per    string `json:"per" enum:"Tenant,User,Group,Key"`
	Selection
	Unit   string `json:"unit" enum:"requests,tokens,inFlight"`
	Amount int64  `json:"amount" doc:"How many units there may be per window, or at once."`
	Burst  int64  `json:"burst,omitempty" doc:"How many may be taken at once after a pause. Absent: amount."`
	Window string `json:"window,omitempty" example:"1m"`
	Left   *int64 `json:"left,omitempty" doc:"How many requests are left now, as calls that have ended tell. Absent: it is no limit of requests per user, or takes more than an hour to refill."`
}

// LimitsInput is whose limits are asked for.
type LimitsInput struct {
	TenantParameter
	User string `query:"user" maxLength:"256" doc:"Whose limits per user are told. Default: yours. Only admins may name another."`
}

func (a *api) registerLimits(routes huma.API) {
	handle(a, routes, get("limits", "/limits", "Limits", "How my limits stand now",
		"What is spent, held and left of each limit that your calls count against, and when it resets. Figures of the tenant are as old as its status, "+
			"which follows the limiter within seconds; those of a user are the ledger's, which has a call a moment after it has ended."),
		a.limits)
}

func (a *api) limits(ctx context.Context, who auth.Who, in *LimitsInput) (*Limits, error) {
	v, err := a.view(ctx, who, in.Tenant, auth.Member)
	if err != nil {
		return nil, err
	}
	user := v.user
	switch {
	case isUnwritable(in.User):
		return nil, invalid("query.user", "must be printable text")
	case in.User != "" && in.User != user && !v.isAdmin():
		return nil, forbidden("you may see your own limits: name yourself or nobody")
	case in.User != "":
		user = in.User
	}
	budget, err := a.Cluster.Budget(ctx, v.tenant)
	if err != nil {
		return nil, err
	}
	limits := &Limits{Tenant: v.tenant, User: user, Currency: currencyOf(budget), AsOf: a.Now().UTC(), Money: []Limit{}, Rates: []RateLimit{}}
	var by *limiterv1.Caller
	if tenancy, ok := who.In(v.tenant); ok && tenancy.User == user {
		by, limits.Tier = callerOf(who, tenancy), tenancy.Tier
	}
	for _, limit := range tenantLimits(budget) {
		if counts(limiterv1.PerTenant, limit.Selection, by) {
			limits.Money = append(limits.Money, limit.seenBy(v))
		}
	}
	ofUser, err := a.userLimits(ctx, v, user, by)
	if err != nil {
		return nil, err
	}
	limits.Money = append(limits.Money, ofUser...)
	policies, err := a.Cluster.Policies(ctx, budget)
	for _, limit := range rateLimits(policies) {
		if counts(limiterv1.Scope(limit.Per), limit.Selection, by) {
			limits.Rates = append(limits.Rates, limit)
		}
	}
	if err != nil || user == "" {
		return limits, err
	}
	return limits, a.tellLeft(ctx, v, user, limits.Rates)
}

// selectionOf is what a limit selects, as it is written.
func selectionOf(tiers []v1alpha1.Tier, models []v1alpha1.ModelName, groups []v1alpha1.Group, labels v1alpha1.CallerLabels) Selection {
	return Selection{names(tiers), names(models), names(groups), callers.Labels(labels)}
}

// callerOf is who asks as limits know them.
func callerOf(who auth.Who, in identity.Tenancy) *limiterv1.Caller {
	by := &limiterv1.Caller{User: in.User, Tier: in.Tier, Groups: in.Groups, Labels: in.Labels}
	if who.Key != nil {
		by.Key = who.Key.Name
	}
	return by
}

// counts reports whether calls of the caller, of whatever models, count against a limit of the
// scope. Of somebody of whom no more than the user is known, which is nil, they may.
func counts(per limiterv1.Scope, of Selection, by *limiterv1.Caller) bool {
	selector := limiterv1.Selector{Tiers: of.Tiers, Groups: of.Groups, Labels: of.Labels}
	return by == nil || selector.Selects(*by, "") && len(selector.Owners(per, *by)) > 0
}

// tenantLimits are the limits of a tenant as the status of its budget has them.
func tenantLimits(budget *v1alpha1.TenantBudget) []Limit {
	specs := map[string]v1alpha1.MoneyLimit{}
	for _, limit := range budget.Spec.Limits {
		specs[limit.Name] = limit
	}
	var limits []Limit
	for _, status := range budget.Status.Limits {
		spec, amount, spent, held := specs[status.Name], &Money{}, &Money{}, &Money{}
		for text, into := range map[*string]*Money{&status.Amount: amount, &status.Spent: spent, &status.Held: held} {
			if read, err := parsed(*text); err == nil {
				*into = read
			}
		}
		l := Limit{
			Name: status.Name, Tenant: budget.Spec.Tenant, Per: string(v1alpha1.ScopeTenant), Period: string(spec.Period),
			Selection: selectionOf(spec.Tiers, spec.Models, spec.Groups, spec.Labels), Amount: amount, Spent: spent, Held: held, Left: left(amount.Nanos, spent.Nanos, held.Nanos),
			Percent: status.Percent, Rung: string(status.Rung), ResetsAt: status.ResetsAt.UTC(),
		}
		if status.ExhaustsAt != nil {
			at := status.ExhaustsAt.UTC()
			l.Exhausts = &at
		}
		l.Exhausted = l.Left.Nanos == 0
		limits = append(limits, l)
	}
	return limits
}

// seenBy leaves out of a limit of the tenant what its users are not told.
func (l Limit) seenBy(v view) Limit {
	if !v.isAdmin() {
		l.Amount, l.Spent, l.Held, l.Left = nil, nil, nil, nil
	}
	return l
}

func names[T ~string](all []T) []string {
	var texts []string
	for _, name := range all {
		texts = append(texts, string(name))
	}
	return texts
}

// userLimits are the limits per user of a tenant, as they stand for one.
func (a *api) userLimits(ctx context.Context, v view, user string, by *limiterv1.Caller) (limits []Limit, err error) {
	if user == "" {
		return nil, nil
	}
	now := a.Now()
	inForce, err := a.Ledger.LimitsAt(ctx, v.tenant, now)
	if err != nil {
		return nil, err
	}
	for _, limit := range inForce {
		of := Selection{limit.Tiers, limit.Models, limit.Groups, limit.Labels}
		if limit.Per != limiterv1.PerUser || !counts(limit.Per, of, by) {
			continue
		}
		spent, err := a.Ledger.SpentOf(ctx, v.as, limit, user)
		if err != nil {
			return nil, err
		}
		limit = limit.For(limiterv1.Owner{User: user}, now)
		amountOf, spentOf := usd(limit.Amount), usd(spent)
		l := Limit{
			Name: limit.Name, Tenant: v.tenant, Per: string(limit.Per), Period: string(limit.Period), Selection: of,
			Amount: &amountOf, Spent: &spentOf, Left: left(amountOf.Nanos, spentOf.Nanos, 0), Percent: spent.Percent(limit.Amount), ResetsAt: limit.Span.End.UTC(),
		}
		l.Exhausted = l.Left.Nanos == 0
		limits = append(limits, l)
	}
	return limits, nil
}

func rateLimits(policies []v1alpha1.RateLimitPolicy) (limits []RateLimit) {
	for _, policy := range policies {
		for _, spec := range policy.Spec.Limits {
			l := RateLimit{
				Name: spec.Name, Policy: policy.Name, Per: string(spec.Per), Window: spec.Window,
				Selection: selectionOf(spec.Tiers, spec.Models, spec.Groups, spec.Labels),
			}
			switch {
			case spec.Requests != nil:
				l.Unit, l.Amount = string(limiterv1.Requests), *spec.Requests
			case spec.Tokens != nil:
				l.Unit, l.Amount = string(limiterv1.Tokens), *spec.Tokens
			case spec.Concurrent != nil:
				l.Unit, l.Amount = string(limiterv1.InFlight), *spec.Concurrent
			}
			if spec.Burst != nil {
				l.Burst = *spec.Burst
			}
			limits = append(limits, l)
		}
	}
	return limits
}
