package api

import (
	"context"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/callers"
	"github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/auth"
)

// Limits are limits, and how they stand for a caller.
type Limits struct {
	Tenant   string      `json:"tenant"`
	User     string      `json:"user" doc:"Whose limits per user these are."`
	Tier     string      `json:"tier,omitempty"`
	Currency string      `json:"currency" doc:"The currency that the budget's limits are written in, and in which more is asked for. Figures here are in US dollars."`
	AsOf     time.Time   `json:"asOf" doc:"When this was read. The tenant's own figures are those of the status of its TenantBudget, a user's are of the ledger."`
	Money    []Limit     `json:"money" nullable:"false" doc:"The money limits that your calls count against. Of who is in more than 64 groups, whose calls are refused, none that is of groups."`
	Rates    []RateLimit `json:"rates" nullable:"false" doc:"The rate limits that your calls count against. How much of them is left, each answer of a call says exactly, in x-ratelimit-*."`
}

// Limit is how a money limit stands.
type Limit struct {
	Name   string `json:"name"`
	Tenant string `json:"tenant" doc:"Whose limit it is."`
	Per    string `json:"per" enum:"Tenant,User,Group,Key"`
	Group  string `json:"group,omitempty" doc:"Of a limit per Group, the one of your groups of which this is."`
	APIKey string `json:"apiKey,omitempty" doc:"Of a limit per Key, the APIKey of which this is, as namespace/name."`
	Period string `json:"period"`
	Selection
	Amount    *Money     `json:"amount,omitempty" doc:"The limit, with what was granted. Absent: calls of others count, too, and you do not administer the tenant; or those of the period are still being added up."`
	Spent     *Money     `json:"spent,omitempty" doc:"What calls that have ended cost in this period. Absent: as of amount."`
	Held      *Money     `json:"held,omitempty" doc:"The most that open calls can cost. Absent: as of amount, or the limit is not per Tenant, of which no record is kept."`
	Left      *Money     `json:"left,omitempty" doc:"What is left: amount without spent and held, at least 0. Absent: as of amount."`
	Percent   *int64     `json:"percent,omitempty" doc:"Spent as a percentage of amount, rounded down. Absent: as of amount; of limits per Tenant of your own tenant, it is always there."`
	Rung      string     `json:"rung,omitempty" doc:"The action of the highest rung of the ladder that was reached: Warn, Downgrade or Trip. Absent: none, or the limit is not per Tenant; of a tenant above that you do not administer, only Trip is told."`
	ResetsAt  time.Time  `json:"resetsAt" doc:"When the period turns, and spent begins again at zero."`
	Exhausts  *time.Time `json:"exhaustsAt,omitempty" doc:"When the amount will be used up, if spending goes on as in the last minutes. Absent: no sign that it will, or the limit is not per Tenant, or is of a tenant above that you do not administer."`
	Exhausted *bool      `json:"exhausted,omitempty" doc:"Whether nothing is left. Absent: as of amount; of limits per Tenant, it is always there."`
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
	Tenant string `json:"tenant" doc:"Whose limit it is: of a tenant above, it counts the calls of all tenants below, too."`
	Policy string `json:"policy" doc:"The RateLimitPolicy that it is of; with its namespace before it, as namespace/name, if that is not the tenant's: a policy that selects tenants by their labels."`
	Per    string `json:"per" enum:"Tenant,User,Group,Key"`
	Selection
	Unit   string `json:"unit" enum:"requests,tokens,inFlight"`
	Amount int64  `json:"amount" doc:"How many units there may be per window, or at once."`
	Burst  int64  `json:"burst,omitempty" doc:"How many may be taken at once after a pause. Absent: amount."`
	Window string `json:"window,omitempty" example:"1m"`
	Left   *int64 `json:"left,omitempty" doc:"How many requests are left now, as calls that have ended tell. Absent: it is no limit of requests per user, or takes more than an hour to refill."`
}

// LimitsInput says whose limits are listed.
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
		return nil, forbidden("you may see only your own limits: name yourself or nobody")
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
	owned, err := a.ownedLimits(ctx, v, who, user, by)
	if err != nil {
		return nil, err
	}
	limits.Money = append(limits.Money, owned...)
	rates, err := a.ratesFor(ctx, budget, by)
	if err != nil {
		return nil, err
	}
	limits.Rates = append(limits.Rates, rates...)
	if user != "" {
		if err := a.tellLeft(ctx, v, user, limits.Rates); err != nil {
			return nil, err
		}
	}
	return limits, a.tellAbove(ctx, who, budget, by, limits)
}

// ratesFor are the limits that count calls of the caller, of the policies that apply to a budget.
func (a *api) ratesFor(ctx context.Context, budget *v1alpha1.TenantBudget, by *limiterv1.Caller) ([]RateLimit, error) {
	policies, err := a.Cluster.Policies(ctx, budget)
	limits := rateLimits(budget, policies)
	return slices.DeleteFunc(limits, func(l RateLimit) bool { return !counts(limiterv1.Scope(l.Per), l.Selection, by) }), err
}

// tellAbove adds the limits of the tenants above that count calls of the caller: of the limits that a tenant
// above sets, only those that count the whole tenant do.
func (a *api) tellAbove(ctx context.Context, who auth.Who, budget *v1alpha1.TenantBudget, by *limiterv1.Caller, limits *Limits) error {
	above, err := a.Cluster.AncestorBudgets(ctx, budget)
	if err != nil {
		return err
	}
	for i := range above {
		role, err := a.Auth.Role(ctx, who, above[i].Spec.Tenant)
		if err != nil {
			return err
		}
		for _, limit := range tenantLimits(&above[i]) {
			if counts(limiterv1.PerTenant, limit.Selection, by) {
				limits.Money = append(limits.Money, limit.seenFromBelow(role))
			}
		}
		rates, err := a.ratesFor(ctx, &above[i], by)
		if err != nil {
			return err
		}
		limits.Rates = append(limits.Rates, slices.DeleteFunc(rates, func(l RateLimit) bool { return l.Per != string(limiterv1.PerTenant) })...)
	}
	return nil
}

// selectionOf is what a limit selects, as it is written.
func selectionOf(tiers []v1alpha1.Tier, models []v1alpha1.ModelName, groups []v1alpha1.Group, labels v1alpha1.CallerLabels) Selection {
	return Selection{names(tiers), names(models), names(groups), callers.Labels(labels)}
}

// callerOf is the caller as limits know callers. A caller in more groups than allowed cannot make calls, and
// gets no groups.
func callerOf(who auth.Who, in identity.Tenancy) *limiterv1.Caller {
	by := &limiterv1.Caller{User: in.User, Tier: in.Tier, Groups: in.Groups, Labels: in.Labels}
	if len(by.Groups) > identity.MaxCallerGroups {
		by.Groups = nil
	}
	if who.Key != nil {
		by.Key = who.Key.Name
	}
	return by
}

// counts reports whether a limit of the scope counts calls of the caller, whatever their models. If only the
// user is known, by is nil, and a limit may count their calls.
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
			Percent: &status.Percent, Rung: string(status.Rung), ResetsAt: status.ResetsAt.UTC(),
		}
		if status.ExhaustsAt != nil {
			at := status.ExhaustsAt.UTC()
			l.Exhausts = &at
		}
		l.Exhausted = ptr.To(l.Left.Nanos == 0)
		limits = append(limits, l)
	}
	return limits
}

// seenBy removes from a limit of the tenant what its users may not see.
func (l Limit) seenBy(v view) Limit {
	if !v.isAdmin() {
		l.Amount, l.Spent, l.Held, l.Left = nil, nil, nil, nil
	}
	return l
}

// seenFromBelow removes from a limit of a tenant above what a caller without a role there may not see: all
// sums. What is left is whether calls are refused.
func (l Limit) seenFromBelow(role auth.Role) Limit {
	if role == auth.Admin {
		return l
	}
	l.Amount, l.Spent, l.Held, l.Left, l.Percent, l.Exhausts = nil, nil, nil, nil, nil, nil
	if l.Rung != string(v1alpha1.ActionTrip) {
		l.Rung = ""
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

// rateLimits are the limits of policies that apply to a budget.
func rateLimits(budget *v1alpha1.TenantBudget, policies []v1alpha1.RateLimitPolicy) (limits []RateLimit) {
	for _, policy := range policies {
		name := policy.Name
		if policy.Namespace != budget.Namespace {
			name = policy.Namespace + "/" + name
		}
		for _, spec := range policy.Spec.Limits {
			l := RateLimit{
				Name: spec.Name, Tenant: budget.Spec.Tenant, Policy: name, Per: string(spec.Per), Window: spec.Window,
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
