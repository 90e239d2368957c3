package cluster

import (
	"context"
	"slices"
	"strings"

	"github.com/bursar-dev/bursar/api/callers"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// SignIns are, by name, the IdentityProviders at which people sign in to the console: those
// in force with a client.
func (c *Cluster) SignIns(ctx context.Context) ([]v1alpha1.IdentityProvider, error) {
	var providers v1alpha1.IdentityProviderList
	if err := c.client.List(ctx, &providers); err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(providers.Items, func(p v1alpha1.IdentityProvider) bool {
		return p.Spec.Client == nil || callers.StandingOf(&p) != callers.InForce
	})
	slices.SortFunc(found, func(a, b v1alpha1.IdentityProvider) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}
