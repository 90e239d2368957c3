package auth

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/bursar-dev/bursar/api/identity"
	"github.com/bursar-dev/bursar/api/identity/identify"
)

// Tenants says which tenants are above one, nearest first; none if there is no such tenant.
type Tenants interface {
	Ancestors(ctx context.Context, tenant string) ([]string, error)
}

// Options are what an Auth is made with.
type Options struct {
	Identifier *identify.Identifier
	Tenants    Tenants
	// AdminTiers are the tiers whose callers administer their tenant.
	AdminTiers []string
	// PlatformAdmins administer every tenant.
	PlatformAdmins []PlatformAdmin
}

// Auth finds the caller of a request, and what they may see.
type Auth struct{ Options }

// New makes an Auth.
func New(options Options) *Auth { return &Auth{options} }

// PlatformAdmin is a subject of an IdentityProvider, or all of one of its groups.
type PlatformAdmin struct {
	Provider string
	// Group is a group that the token itself names, and Subject its claim sub: one is empty.
	Group, Subject string
}

// ParsePlatformAdmin reads PROVIDER/group/NAME or PROVIDER/subject/NAME.
func ParsePlatformAdmin(text string) (PlatformAdmin, error) {
	parts := strings.SplitN(text, "/", 3)
	if len(parts) == 3 && parts[0] != "" && parts[2] != "" {
		switch parts[1] {
		case "group":
			return PlatformAdmin{Provider: parts[0], Group: parts[2]}, nil
		case "subject":
			return PlatformAdmin{Provider: parts[0], Subject: parts[2]}, nil
		}
	}
	return PlatformAdmin{}, fmt.Errorf("%q is not an IdentityProvider, /group/ or /subject/, and a name, such as \"company/group/platform\"", text)
}

func (a PlatformAdmin) is(claims *identity.Claims) bool {
	if claims.Provider != a.Provider {
		return false
	}
	if a.Subject != "" {
		return claims.Subject == a.Subject
	}
	return slices.Contains(claims.Groups, a.Group)
}

// Who is the caller of a request.
type Who struct {
	identify.Caller
	// IsPlatformAdmin is whether they administer every tenant.
	IsPlatformAdmin bool
}

// Name is what a caller is called where their actions are recorded: the user that they are in
// the tenant, if they are one, or else what their credential calls them.
func (w Who) Name(tenant string) string {
	if tenancy, ok := w.In(tenant); ok {
		return tenancy.User
	}
	if w.Claims != nil {
		return w.Claims.User
	}
	return w.Key.User
}

// Person names a caller where the cluster is changed on their behalf: what their credential
// proves, and what they are called.
func (w Who) Person() string {
	proven, name := "", ""
	if w.Claims != nil {
		proven, name = w.Claims.Provider+"/"+w.Claims.Subject, w.Claims.User
		if name == w.Claims.Subject {
			return proven
		}
	} else {
		proven, name = "APIKey "+w.Key.Name, w.Key.User
	}
	if name == "" {
		return proven
	}
	return proven + " (" + name + ")"
}

// Subject names a caller, the same for all of their tokens.
func (w Who) Subject() string {
	if w.Claims != nil {
		return "token " + w.Claims.Provider + " " + w.Claims.Subject
	}
	return "key " + w.Key.Name
}

// In is who the caller is in a tenant, if they belong to it.
func (w Who) In(tenant string) (identity.Tenancy, bool) {
	at := slices.IndexFunc(w.Tenancies, func(t identity.Tenancy) bool { return t.Tenant == tenant })
	if at < 0 {
		return identity.Tenancy{}, false
	}
	return w.Tenancies[at], true
}

// Identify is the sender of a request. The error is an *identify.Error.
func (a *Auth) Identify(ctx context.Context, header identify.Fields) (Who, error) {
	caller, err := a.Identifier.Identify(ctx, identify.Request{Header: header})
	if err != nil {
		return Who{}, err
	}
	who := Who{Caller: caller}
	if caller.Claims != nil {
		who.IsPlatformAdmin = slices.ContainsFunc(a.PlatformAdmins, func(p PlatformAdmin) bool { return p.is(caller.Claims) })
	}
	return who, nil
}

// Role is what a caller may see of a tenant.
type Role int

// The roles, from least to most.
const (
	// Stranger may see nothing, and may not learn whether the tenant exists.
	Stranger Role = iota
	// Above administers a tenant above, and sees sums.
	Above
	// Member sees what is their own.
	Member
	// Admin sees and changes everything of the tenant.
	Admin
)

// Administers reports whether a caller administers a tenant that they belong to.
func (a *Auth) Administers(tenancy identity.Tenancy) bool {
	return tenancy.Admin || slices.Contains(a.AdminTiers, tenancy.Tier)
}

// Role is what the caller may see of a tenant. A member who also administers a tenant above
// gets the role Member, because only that shows them their own calls.
func (a *Auth) Role(ctx context.Context, who Who, tenant string) (Role, error) {
	tenancy, belongs := who.In(tenant)
	switch {
	case who.IsPlatformAdmin, belongs && a.Administers(tenancy):
		return Admin, nil
	case belongs:
		return Member, nil
	}
	above, err := a.Above(ctx, who, tenant)
	if err != nil || above == "" {
		return Stranger, err
	}
	return Above, nil
}

// Above is the nearest tenant above a tenant that the caller administers; empty for none.
func (a *Auth) Above(ctx context.Context, who Who, tenant string) (string, error) {
	ancestors, err := a.Tenants.Ancestors(ctx, tenant)
	if err != nil {
		return "", err
	}
	for _, ancestor := range ancestors {
		if tenancy, belongs := who.In(ancestor); belongs && a.Administers(tenancy) {
			return ancestor, nil
		}
	}
	return "", nil
}
