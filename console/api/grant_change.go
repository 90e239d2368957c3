package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/console/cluster"
)

// NewGrant is a grant that is to be made.
type NewGrant struct {
	Limit     string     `json:"limit" maxLength:"63" doc:"The limit of the budget that is added to."`
	User      string     `json:"user,omitempty" maxLength:"128" doc:"The user who gets more, of a limit per User. Absent: every user."`
	Group     string     `json:"group,omitempty" maxLength:"256" doc:"The group that gets more, of a limit per Group. Absent: every group."`
	APIKey    string     `json:"apiKey,omitempty" maxLength:"253" doc:"The APIKey in the namespace of the budget that gets more, of a limit per Key. Absent: every one."`
	Amount    string     `json:"amount" maxLength:"32" example:"5.00" doc:"What there is more in each period, in the budget's currency."`
	Reason    string     `json:"reason" minLength:"1" maxLength:"512" doc:"Why, for the record: one line."`
	StartsAt  *time.Time `json:"startsAt,omitempty" doc:"From when on. Absent: at once."`
	ExpiresAt time.Time  `json:"expiresAt" doc:"Until when."`
}

// NewGrantInput is a grant that is to be made, and of which tenant.
type NewGrantInput struct {
	TenantParameter
	Body NewGrant
}

// MadeGrant is a BudgetGrant that was made.
type MadeGrant struct {
	Tenant    string   `json:"tenant"`
	Namespace string   `json:"namespace"`
	Name      string   `json:"name" doc:"The BudgetGrant. It is on record, and in /grants, a moment later."`
	Warnings  []string `json:"warnings" nullable:"false" doc:"What the API server and Bursar's webhooks warn of."`
}

// GrantInput names a BudgetGrant.
type GrantInput struct {
	TenantParameter
	Name string `path:"name" maxLength:"253" pattern:"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$" patternDescription:"a name of lower-case letters, digits, hyphens and dots" doc:"The BudgetGrant, in the namespace of the tenant's budget."`
}

func (a *api) registerGrantChanges(routes huma.API) {
	const rights = " Admins of the platform may for every limit, an admin of the tenant for limits per User, Group and Key."
	operation := changing(http.MethodPost, "makeGrant", "/grants", "Grants", "Grant more", "Makes a BudgetGrant, which adds to a limit for a time and a reason."+rights)
	operation.DefaultStatus = http.StatusCreated
	handle(a, routes, operation, func(ctx context.Context, who auth.Who, in *NewGrantInput) (*MadeGrant, error) {
		budget, err := a.administered(ctx, who, in.Tenant)
		if err != nil {
			return nil, err
		}
		return a.makeGrant(ctx, who, a.by(who), budget, "", in.Body)
	})
	handle(a, routes, changing(http.MethodDelete, "deleteGrant", "/grants/{name}", "Grants", "End a grant",
		"Deletes a BudgetGrant. What was spent until then stays spent."+rights),
		func(ctx context.Context, who auth.Who, in *GrantInput) (*Removed, error) {
			budget, err := a.administered(ctx, who, in.Tenant)
			if err != nil {
				return nil, err
			}
			grant := &v1alpha1.BudgetGrant{ObjectMeta: metav1.ObjectMeta{Namespace: budget.Namespace, Name: in.Name}}
			if err := a.by(who).Read(ctx, grant); err != nil {
				return nil, err
			}
			if grant.Spec.BudgetRef.Name != budget.Name {
				return nil, cluster.ErrNone // another tenant's grant must not be told from a missing one
			}
			if err := reservedGrant(who, budget, grant.Spec.Limit); err != nil {
				return nil, err
			}
			return a.remove(ctx, who, grant, cluster.VersionOf(grant))
		})
}

// makeGrant makes a grant of a budget. Without a name, the grant gets one of its own.
func (a *api) makeGrant(ctx context.Context, who auth.Who, by cluster.Writer, budget *v1alpha1.TenantBudget, name string, g NewGrant) (*MadeGrant, error) {
	if _, ok := limitOf(budget, g.Limit); !ok {
		return nil, invalid("body.limit", "must be the name of a limit of the budget")
	}
	if err := reservedGrant(who, budget, g.Limit); err != nil {
		return nil, err
	}
	if !g.ExpiresAt.After(a.Now()) {
		return nil, invalid("body.expiresAt", "must be in the future")
	}
	grant := &v1alpha1.BudgetGrant{
		ObjectMeta: metav1.ObjectMeta{Namespace: budget.Namespace, Name: name},
		Spec: v1alpha1.BudgetGrantSpec{
			BudgetRef: v1alpha1.BudgetRef{Name: budget.Name}, Limit: g.Limit, User: g.User, Group: v1alpha1.Group(g.Group), APIKey: g.APIKey,
			Amount: v1alpha1.Amount(g.Amount), Reason: g.Reason, ExpiresAt: metav1.NewTime(g.ExpiresAt),
		},
	}
	if name == "" {
		grant.GenerateName = "console-"
	}
	if g.StartsAt != nil {
		starts := metav1.NewTime(*g.StartsAt)
		grant.Spec.StartsAt = &starts
	}
	warnings, err := by.Create(ctx, grant)
	if err != nil {
		return nil, err
	}
	return &MadeGrant{budget.Spec.Tenant, grant.Namespace, grant.Name, append([]string{}, warnings...)}, nil
}

// reservedGrant is the problem of a grant that only admins of the platform may make, because its
// limit is the whole tenant's, which could then spend more.
func reservedGrant(who auth.Who, budget *v1alpha1.TenantBudget, limit string) error {
	found, ok := limitOf(budget, limit)
	if ok && perOf(found.Per) == v1alpha1.ScopeTenant && !who.IsPlatformAdmin {
		return beyond("body.limit", "must not be a limit of the whole tenant")
	}
	return nil
}

func limitOf(budget *v1alpha1.TenantBudget, name string) (v1alpha1.MoneyLimit, bool) {
	at := slices.IndexFunc(budget.Spec.Limits, func(l v1alpha1.MoneyLimit) bool { return l.Name == name })
	if at < 0 {
		return v1alpha1.MoneyLimit{}, false
	}
	return budget.Spec.Limits[at], true
}
