package api

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bursar-dev/bursar/console/auth"
)

// GrantsInput says which grants are listed.
type GrantsInput struct {
	TenantParameter
	All bool `query:"all" doc:"Whether those are listed, too, that have ended or were taken back."`
}

// Grants are what was granted beyond limits.
type Grants struct {
	Tenant string  `json:"tenant"`
	Grants []Grant `json:"grants" nullable:"false" doc:"At most a thousand, the last to end first."`
}

// Grant is a BudgetGrant that is on record.
type Grant struct {
	Name          string     `json:"name" doc:"The BudgetGrant."`
	Namespace     string     `json:"namespace"`
	Limit         string     `json:"limit"`
	User          string     `json:"user,omitempty" doc:"The user who has more. Absent, as are group and apiKey: everyone whom the limit is for."`
	Group         string     `json:"group,omitempty" doc:"The group that has more."`
	APIKey        string     `json:"apiKey,omitempty" doc:"The APIKey that has more, as namespace/name."`
	Amount        Money      `json:"amount" doc:"What there is more, in each period of the limit."`
	Currency      string     `json:"currency" doc:"The currency that it is written in."`
	AmountWritten string     `json:"amountWritten,omitempty" doc:"The amount as it is written. Absent: that is not on record."`
	Reason        string     `json:"reason"`
	CreatedBy     []string   `json:"createdBy" nullable:"false" doc:"Who asked for it, as the API server authenticated them, for admins. Empty: you are none, or it is not on record."`
	CreatedAt     time.Time  `json:"createdAt"`
	StartsAt      time.Time  `json:"startsAt"`
	ExpiresAt     time.Time  `json:"expiresAt"`
	WithdrawnAt   *time.Time `json:"withdrawnAt,omitempty" doc:"When it was taken back. Absent: it was not."`
}

func (a *api) registerGrants(routes huma.API) {
	handle(a, routes, get("grants", "/grants", "Grants", "What was granted",
		"BudgetGrants that are on record. A user sees those for everyone and their own, an admin those of the tenant."),
		func(ctx context.Context, who auth.Who, in *GrantsInput) (*Grants, error) {
			v, err := a.view(ctx, who, in.Tenant, auth.Member)
			if err != nil {
				return nil, err
			}
			found, err := a.Ledger.Grants(ctx, v.as, in.All, a.Now())
			if err != nil {
				return nil, err
			}
			answer := &Grants{Tenant: v.tenant, Grants: make([]Grant, 0, len(found))}
			for _, g := range found {
				grant := Grant{
					Name: g.Name, Namespace: g.Namespace, Limit: g.Limit, User: g.Owner.User, Group: g.Owner.Group, APIKey: g.Owner.Key,
					Amount: usd(g.Amount), Currency: g.Currency, AmountWritten: g.AmountWritten,
					Reason: g.Reason, CreatedBy: []string{}, CreatedAt: g.CreatedAt.UTC(), StartsAt: g.StartsAt.UTC(), ExpiresAt: g.ExpiresAt.UTC(), WithdrawnAt: utc(g.WithdrawnAt),
				}
				if v.isAdmin() {
					grant.CreatedBy = append(grant.CreatedBy, g.CreatedBy...)
				}
				answer.Grants = append(answer.Grants, grant)
			}
			return answer, nil
		})
}
