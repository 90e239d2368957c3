package api

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bursar-dev/bursar/console/auth"
)

// Me is the caller.
type Me struct {
	APIKey           string     `json:"apiKey,omitempty" example:"acme/ana" doc:"The APIKey that you ask with, as namespace/name. Absent: a token."`
	IdentityProvider string     `json:"identityProvider,omitempty" doc:"The IdentityProvider of your token. Absent: an API key."`
	Subject          string     `json:"subject,omitempty" doc:"The claim sub of your token."`
	ExpiresAt        *time.Time `json:"expiresAt,omitempty" doc:"When the credential ceases to hold. Absent: never."`
	PlatformAdmin    bool       `json:"platformAdmin" doc:"Whether you administer every tenant."`
	Tenants          []MyTenant `json:"tenants" nullable:"false" doc:"The tenants that you belong to, by name."`
}

// MyTenant is a tenant that the caller belongs
// to.
type MyTenant struct {
	Tenant   string   `json:"tenant"`
	User     string   `json:"user" doc:"Whose calls yours are."`
	Tier     string   `json:"tier" doc:"Your tier; empty for none."`
	Groups   []string `json:"groups" nullable:"false" doc:"Your groups."`
	Admin    bool     `json:"admin" doc:"Whether you administer the tenant: see and change everything of it."`
	Default  bool     `json:"default" doc:"Whether it is the tenant where you name none."`
	TimeZone string   `json:"timeZone,omitempty" doc:"The time zone of its budget. Absent: it has none that is accepted."`
}

func (a *api) registerMe(routes huma.API) {
	handle(a, routes, get("me", "/me", "Me", "Who I am", "Whose the credential is that the request comes with, and what it may see."),
		func(ctx context.Context, who auth.Who, _ *struct{}) (*Me, error) {
			me := &Me{PlatformAdmin: who.IsPlatformAdmin, Tenants: []MyTenant{}}
			if who.Key != nil {
				me.APIKey, me.ExpiresAt = who.Key.Name, who.Key.ExpiresAt
			} else {
				me.IdentityProvider, me.Subject, me.ExpiresAt = who.Claims.Provider, who.Claims.Subject, &who.Claims.Until
			}
			tree, err := a.Cluster.Tree(ctx)
			if err != nil {
				return nil, err
			}
			for _, t := range who.Tenancies {
				zone := ""
				if tree.Has(t.Tenant) {
					zone = zoneOf(tree.Zone(t.Tenant)).String()
				}
				me.Tenants = append(me.Tenants, MyTenant{
					TimeZone: zone, Tenant: t.Tenant, User: t.User, Tier: t.Tier, Groups: append([]string{}, t.Groups...), Admin: a.Auth.Administers(t) || who.IsPlatformAdmin,
					Default: t.Default || len(who.Tenancies) == 1,
				})
			}
			return me, nil
		})
}
