package api

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/console/cluster"
)

// Budgets are the budgets that the caller administers, and those below these.
type Budgets struct {
	AsOf    time.Time `json:"asOf"`
	Budgets []Budget  `json:"budgets" nullable:"false" doc:"Each is followed by those below it; beside one another they are by the names of their tenants."`
	Next    string    `json:"next,omitempty" doc:"What after is on the next page. Absent: this is the last."`
}

// BudgetsInput says which budgets are listed.
type BudgetsInput struct {
	Tenant string `query:"tenant" maxLength:"63" pattern:"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" patternDescription:"a name of lower-case letters, digits and hyphens" doc:"The tenant whose budget is told, and those of all tenants below it. Default: all that you may see."`
	PageParameters
}

// Budget is a TenantBudget.
type Budget struct {
	Tenant          string         `json:"tenant"`
	Namespace       string         `json:"namespace"`
	Name            string         `json:"name"`
	Parent          string         `json:"parent,omitempty" doc:"The tenant above. Absent: there is none, or it is not accepted."`
	TimeZone        string         `json:"timeZone"`
	Generation      int64          `json:"generation"`
	ResourceVersion string         `json:"resourceVersion" doc:"Which state of the object this is."`
	Version         string         `json:"version" doc:"Which state of its spec this is, for If-Match of a change."`
	Managers        []Manager      `json:"managers" nullable:"false" doc:"Who manages fields of the spec, by the names that clients give themselves."`
	Managed         Managed        `json:"managed" doc:"Who else manages something of limits, ladder and alerts."`
	Ready           Condition      `json:"ready" doc:"Whether it is enforced as written."`
	Breaker         Breaker        `json:"breaker"`
	Limits          []Limit        `json:"limits" nullable:"false" doc:"The tenant's own limits, as its status has them."`
	UserLimits      []WrittenLimit `json:"userLimits" nullable:"false" doc:"The limits per user, as they are written."`
	Ladder          []Rung         `json:"ladder" nullable:"false"`
	Currency        string         `json:"currency" doc:"The currency that limits are written in."`
	Shadow          bool           `json:"shadow" doc:"Whether nothing is refused."`
	Written         BudgetSpec     `json:"written" doc:"What of it may be changed here, as it is written."`
	Rates           []WrittenRates `json:"rates" nullable:"false" doc:"The RateLimitPolicies that name it, by their names. There may be others that select it by labels, which are not told."`
}

func (b *Budget) version() string { return b.Version }

// Manager is a field manager of the Kubernetes API.
type Manager struct {
	Name  string     `json:"name"`
	At    *time.Time `json:"at,omitempty" doc:"When it changed something last."`
	Apply bool       `json:"apply" doc:"Whether it applies (server-side apply), as GitOps does, rather than updates."`
}

// Managed are the field managers other than the console, by the names that they give themselves, for each
// member of a spec that may be changed here. What they manage must be changed there.
type Managed map[string][]string

func managedOf(object client.Object, members ...string) Managed {
	managed := Managed{}
	for _, member := range members {
		if managers := cluster.ManagersOf(object, member); len(managers) > 0 {
			managed[member] = managers
		}
	}
	return managed
}

// Condition is a condition of an object.
type Condition struct {
	Status  string `json:"status" enum:"True,False,Unknown"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// Breaker is how a tenant's breaker stands.
type Breaker struct {
	State    string     `json:"state" enum:"Closed,Open,Unknown"`
	Forced   bool       `json:"forced"`
	Tenant   string     `json:"tenant,omitempty" doc:"The tenant above whose breaker it is. Absent: the tenant's own."`
	Limit    string     `json:"limit,omitempty" doc:"The limit that opened it."`
	Since    *time.Time `json:"since,omitempty"`
	ClosesAt *time.Time `json:"closesAt,omitempty" doc:"When it closes by itself. Absent: it is closed, or does not."`
}

// Rung is a rung of the ladder.
type Rung struct {
	AtPercent int32    `json:"atPercent"`
	Action    string   `json:"action" enum:"Warn,Downgrade,Trip"`
	Fallback  []string `json:"fallback,omitempty"`
}

func (a *api) registerBudgets(routes huma.API) {
	handle(a, routes, get("budgets", "/budgets", "Budgets", "The budgets that I may see",
		"The TenantBudgets of the tenants that you administer, and of those below. Who administers none gets none."),
		a.budgets)
	handle(a, routes, get("budget", "/budgets/{tenant}", "Budgets", "One budget", "The TenantBudget of a tenant that you administer, or that is below one."),
		func(ctx context.Context, who auth.Who, in *BudgetInput) (*Budget, error) {
			return a.budgetSeen(ctx, who, in.Tenant)
		})
	handle(a, routes, get("budgetChanges", "/budgets/{tenant}/changes", "Budgets", "How a budget was changed",
		"Who changed a limit, when, from what to what, oldest first. For admins of the tenant."), a.changes)
}

// BudgetInput names a budget by its tenant.
type BudgetInput struct {
	Tenant string `path:"tenant" maxLength:"63" pattern:"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" patternDescription:"a name of lower-case letters, digits and hyphens"`
}

func (a *api) budgets(ctx context.Context, who auth.Who, in *BudgetsInput) (*Budgets, error) {
	tenants, err := a.tenants(ctx, who)
	if err != nil {
		return nil, err
	}
	asked := tenants.All()
	if in.Tenant != "" {
		if !tenants.Has(in.Tenant) {
			return nil, forbidden("you do not administer this tenant, nor one above it, if there is one of the name")
		}
		asked = tenants.From(in.Tenant)
	}
	page, next, ok := Page(asked, in.After, in.Limit)
	if !ok {
		return nil, invalid("query.after", "names no budget that you may see: begin with the first page")
	}
	answer := &Budgets{AsOf: a.Now().UTC(), Budgets: make([]Budget, 0, len(page)), Next: next}
	for _, tenant := range page {
		one, err := a.budgetIfThere(ctx, who, tenant)
		if err != nil {
			return nil, err
		}
		if one == nil {
			continue
		}
		answer.Budgets = append(answer.Budgets, *one)
	}
	return answer, nil
}

// budgetIfThere is the budget of a tenant as the caller may see it; nil if it has gone since the caller saw the
// tenant, or if the caller may no longer see it.
func (a *api) budgetIfThere(ctx context.Context, who auth.Who, tenant string) (*Budget, error) {
	role, err := a.Auth.Role(ctx, who, tenant)
	if err != nil || role != auth.Admin && role != auth.Above {
		return nil, err
	}
	budget, err := a.Cluster.Budget(ctx, tenant)
	if errors.Is(err, cluster.ErrNoTenant) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return a.budgetOf(ctx, budget, role)
}

// budgetSeen is the budget of a tenant as the caller may see it.
func (a *api) budgetSeen(ctx context.Context, who auth.Who, tenant string) (*Budget, error) {
	v, err := a.view(ctx, who, tenant, auth.Above)
	if err != nil {
		return nil, err
	}
	if v.role == auth.Member {
		return nil, forbidden("you do not administer this tenant: /limits says how yours stand")
	}
	budget, err := a.Cluster.Budget(ctx, v.tenant)
	if err != nil {
		return nil, err
	}
	return a.budgetOf(ctx, budget, v.role)
}

// budgetOf is a budget as a role may see it.
func (a *api) budgetOf(ctx context.Context, budget *v1alpha1.TenantBudget, role auth.Role) (*Budget, error) {
	ancestors, err := a.Cluster.Ancestors(ctx, budget.Spec.Tenant)
	if err != nil {
		return nil, err
	}
	written, err := writtenOf(&budget.Spec, role)
	if err != nil {
		return nil, err
	}
	rates, err := a.ratesOf(ctx, budget)
	if err != nil {
		return nil, err
	}
	b := &Budget{
		Tenant: budget.Spec.Tenant, Namespace: budget.Namespace, Name: budget.Name, TimeZone: zoneOf(budget.Spec.TimeZone).String(),
		Generation: budget.Generation, ResourceVersion: budget.ResourceVersion, Managers: managersOf(budget),
		Managed: managedOf(budget, "limits", "ladder", "alerts"),
		Ready:   conditionOf(budget.Status.Conditions, v1alpha1.ConditionReady), Breaker: breakerOf(budget.Status.Breaker),
		Limits: append([]Limit{}, tenantLimits(budget)...), UserLimits: []WrittenLimit{}, Ladder: []Rung{}, Currency: currencyOf(budget),
		Shadow: budget.Spec.Enforcement == v1alpha1.EnforcementShadow, Version: cluster.VersionOf(budget), Written: written, Rates: rates,
	}
	if len(ancestors) > 0 {
		b.Parent = ancestors[0]
	}
	for _, limit := range budget.Spec.Limits {
		if limit.Per == v1alpha1.ScopeUser {
			b.UserLimits = append(b.UserLimits, WrittenLimit{
				limit.Name, string(limit.Per), string(limit.Period), string(limit.Amount),
				selectionOf(limit.Tiers, limit.Models, limit.Groups, limit.Labels),
			})
		}
	}
	for _, rung := range budget.Spec.Ladder {
		b.Ladder = append(b.Ladder, Rung{rung.AtPercent, string(rung.Action), names(rung.Fallback)})
	}
	return b, nil
}

// currencyOf is the currency that the limits of a budget are written in.
func currencyOf(budget *v1alpha1.TenantBudget) string {
	if budget.Spec.Currency != nil {
		return budget.Spec.Currency.Code
	}
	return "USD"
}

func breakerOf(status *v1alpha1.BreakerStatus) Breaker {
	if status == nil {
		return Breaker{State: "Unknown"}
	}
	b := Breaker{State: string(status.State), Forced: status.Forced, Tenant: status.Tenant, Limit: status.Limit}
	if status.Since != nil {
		b.Since = &status.Since.Time
	}
	if status.ClosesAt != nil {
		b.ClosesAt = &status.ClosesAt.Time
	}
	return b
}

// managersOf are the managers of an object's fields other than those of its status.
func managersOf(object client.Object) []Manager {
	managers := []Manager{}
	for _, entry := range object.GetManagedFields() {
		if entry.Subresource != "" {
			continue
		}
		m := Manager{Name: entry.Manager, Apply: entry.Operation == "Apply"}
		if entry.Time != nil {
			m.At = &entry.Time.Time
		}
		managers = append(managers, m)
	}
	slices.SortFunc(managers, func(a, b Manager) int { return strings.Compare(a.Name, b.Name) })
	return managers
}

// Changes are how a budget was changed.
type Changes struct {
	Tenant  string    `json:"tenant"`
	Since   time.Time `json:"since"`
	Changes []Change  `json:"changes" nullable:"false"`
}

// Change is a change of a limit, or of what a budget does with its limits.
type Change struct {
	At           time.Time `json:"at" doc:"When it came into force."`
	Limit        string    `json:"limit,omitempty" doc:"The limit; of a RateLimitPolicy, with the policy before it. Absent: the whole budget."`
	From         string    `json:"from,omitempty" doc:"What it was. Absent: it is new."`
	To           string    `json:"to,omitempty" doc:"What it is. Absent: it is no more."`
	By           []string  `json:"by" nullable:"false" doc:"Who asked for it, as the API server authenticated them. Empty: that is not on record."`
	FieldManager string    `json:"fieldManager,omitempty" doc:"What the client called itself, which proves nothing."`
	Object       string    `json:"object" doc:"The TenantBudget, BudgetGrant or RateLimitPolicy, as namespace/name."`
	Generation   int64     `json:"generation"`
}

// ChangesInput says which changes are listed.
type ChangesInput struct {
	BudgetInput
	Since string `query:"since" maxLength:"40" doc:"From when on, as from of /usage. Default: 90 days ago."`
}

func (a *api) changes(ctx context.Context, who auth.Who, in *ChangesInput) (*Changes, error) {
	v, err := a.view(ctx, who, in.Tenant, auth.Admin)
	if err != nil {
		return nil, err
	}
	since := a.Now().AddDate(0, 0, -90)
	if in.Since != "" {
		if since, err = moment("query.since", in.Since, v.zone); err != nil {
			return nil, err
		}
	}
	found, err := a.Ledger.Changes(ctx, v.tenant, since)
	if err != nil {
		return nil, err
	}
	answer := &Changes{Tenant: v.tenant, Since: since.UTC(), Changes: []Change{}}
	for _, c := range found {
		answer.Changes = append(answer.Changes, Change{
			c.At.UTC(), c.Limit, c.From, c.To, append([]string{}, c.By...), c.FieldManager, c.Namespace + "/" + c.Budget, c.Generation,
		})
	}
	return answer, nil
}
