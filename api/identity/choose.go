package identity

import (
	"fmt"
	"slices"
	"strings"
)

// ChoiceError means that it is not clear which tenant pays. It only tells what the caller may
// know.
type ChoiceError struct {
	// Asked is a tenant that the caller has named without belonging to it; empty for none.
	Asked string
	// Tenants are those that the caller belongs to, sorted.
	Tenants []string
}

// Error is a sentence without its capital and its full stop.
func (e *ChoiceError) Error() string {
	belongs := "the caller belongs to no tenant"
	if len(e.Tenants) > 0 {
		belongs = "the caller belongs to " + strings.Join(e.Tenants, ", ")
	}
	switch {
	case e.Asked != "":
		return fmt.Sprintf("the request names a tenant that the caller does not belong to; %s", belongs)
	case len(e.Tenants) == 0:
		return belongs
	}
	return fmt.Sprintf("the caller belongs to several tenants, and the request does not say which one pays: %s",
		strings.Join(e.Tenants, ", "))
}

// Choose is the tenancy that pays: the one of the tenant asked for or, if none is asked for, the
// only one, or else the only default. The error is a *ChoiceError, or an *Error if the caller
// has more than MaxCallerGroups there.
func Choose(tenancies []Tenancy, asked string) (Tenancy, error) {
	if asked != "" {
		at := slices.IndexFunc(tenancies, func(t Tenancy) bool { return t.Tenant == asked })
		if at < 0 {
			return Tenancy{}, &ChoiceError{Asked: asked, Tenants: names(tenancies)}
		}
		return tenancies[at], tenancies[at].checkGroups()
	}
	chosen := tenancies
	if len(tenancies) > 1 {
		chosen = slices.DeleteFunc(slices.Clone(tenancies), func(t Tenancy) bool { return !t.Default })
	}
	if len(chosen) != 1 {
		return Tenancy{}, &ChoiceError{Tenants: names(tenancies)}
	}
	return chosen[0], chosen[0].checkGroups()
}

func (t Tenancy) checkGroups() error {
	if len(t.Groups) <= MaxCallerGroups {
		return nil
	}
	return refuse(Unmappable, "the caller is in %d groups, but at most %d are allowed: have claimMappings.groups of the IdentityProvider leave out those that no limit selects",
		len(t.Groups), MaxCallerGroups)
}

func names(tenancies []Tenancy) []string {
	names := make([]string, len(tenancies))
	for i, t := range tenancies {
		names[i] = t.Tenant
	}
	return names
}
