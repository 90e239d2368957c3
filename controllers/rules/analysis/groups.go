package analysis

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/nearest"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// Groups are those that callers are known to be in.
type Groups struct {
	Known sets.Set[string]
	// Any is whether callers may also be in other groups: tokens bring their own, or there are
	// no callers yet.
	Any bool
}

// Tokens are what the IdentityProviders say of the groups of their tokens.
type Tokens struct {
	// HaveGroups is whether some tokens have groups, which only the issuer knows.
	HaveGroups bool
	// Named are those that Memberships may name.
	Named []string
}

// groupsOf are the groups of callers.
func groupsOf(callers []Caller, tokens Tokens) Groups {
	groups := Groups{Known: sets.New(tokens.Named...), Any: tokens.HaveGroups || len(callers) == 0}
	for _, caller := range callers {
		groups.Known.Insert(caller.Groups...)
	}
	return groups
}

// groupsOf finds groups that a budget names but nobody is in.
func (f *found) groupsOf(spec v1alpha1.TenantBudgetSpec, groups Groups) {
	path := field.NewPath("spec")
	for i, limit := range spec.Limits {
		f.unknownGroups(path.Child("limits").Index(i).Child("groups"), limit.Groups, groups)
	}
	for i, c := range spec.OutputCaps {
		f.unknownGroups(path.Child("outputCaps").Index(i).Child("groups"), c.Groups, groups)
	}
}

// unknownGroups finds groups that none of the callers is in. If tokens may bring any group,
// only a name that is close to a known one is surely not meant.
func (f *found) unknownGroups(path *field.Path, named []v1alpha1.Group, groups Groups) {
	known := sets.List(groups.Known)
	for i, group := range named {
		if groups.Known.Has(string(group)) || groups.Any && nearest.Name(string(group), known) == "" {
			continue
		}
		hint := ": they are in no group"
		if len(known) > 0 {
			hint = verdict.DidYouMeanOr(": they are in ", string(group), known)
		}
		f.warn(path.Index(i), "no APIKey or member whose calls count here is in group %q%s", group, hint)
	}
}

// tokens are what the IdentityProviders say of groups.
func (a *Analyzer) tokens(ctx context.Context) (tokens Tokens, err error) {
	var providers v1alpha1.IdentityProviderList
	if err := a.reader.List(ctx, &providers, client.UnsafeDisableDeepCopy); err != nil {
		return Tokens{}, err
	}
	for _, provider := range providers.Items {
		tokens.HaveGroups = tokens.HaveGroups || provider.Spec.ClaimMappings.Groups != nil
		for _, allowed := range provider.Spec.AllowedMemberships {
			for _, group := range allowed.Groups {
				if !strings.ContainsAny(group, "*{") { // else a pattern
					tokens.Named = append(tokens.Named, group)
				}
			}
		}
	}
	return tokens, nil
}
