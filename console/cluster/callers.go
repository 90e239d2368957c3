package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/callers"
	"github.com/bursar-dev/bursar/api/identity"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// registered is an APIKey that is known.
type registered struct {
	hashes [][sha256.Size]byte
	tenant string
}

// takeAll takes in all IdentityProviders, and the objects of all namespaces.
func (c *Cluster) takeAll(ctx context.Context) error {
	var providers v1alpha1.IdentityProviderList
	if err := c.client.List(ctx, &providers); err != nil {
		return err
	}
	for _, provider := range providers.Items {
		if err := c.takeProvider(ctx, provider.Name); err != nil {
			return err
		}
	}
	namespaces := map[string]bool{}
	for _, list := range []client.ObjectList{&v1alpha1.TenantBudgetList{}, &v1alpha1.APIKeyList{}, &v1alpha1.MembershipList{}} {
		if err := c.client.List(ctx, list); err != nil {
			return err
		}
		if err := eachNamespace(list, func(namespace string) { namespaces[namespace] = true }); err != nil {
			return err
		}
	}
	for namespace := range namespaces {
		if err := c.takeNamespace(ctx, namespace); err != nil {
			return err
		}
	}
	return nil
}

func eachNamespace(list client.ObjectList, do func(namespace string)) error {
	objects, err := meta.ExtractList(list)
	if err != nil {
		return err
	}
	for _, object := range objects {
		accessor, err := meta.Accessor(object)
		if err != nil {
			return err
		}
		do(accessor.GetNamespace())
	}
	return nil
}

// takeProvider takes in an IdentityProvider as it is now.
func (c *Cluster) takeProvider(ctx context.Context, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var provider v1alpha1.IdentityProvider
	err := c.client.Get(ctx, types.NamespacedName{Name: name}, &provider)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err != nil {
		c.SetProvider(name, nil)
		return nil
	}
	switch callers.StandingOf(&provider) {
	case callers.Undecided:
	case callers.Refused:
		c.SetProvider(name, nil)
	case callers.InForce:
		compiled, err := compileProvider(&provider)
		if err != nil {
			c.log.Warn("An IdentityProvider that the manager has accepted cannot be used", "identityProvider", name, "error", err)
			return nil // trying again would not help
		}
		c.SetProvider(name, compiled)
	}
	return nil
}

// compileProvider returns nil while the name of the cluster's issuer is not known.
func compileProvider(provider *v1alpha1.IdentityProvider) (*identity.Issuer, error) {
	document, err := callers.Fetched(provider)
	if err != nil || len(document.Issuers) == 0 {
		return nil, err
	}
	return identity.Compile(document)
}

// takeNamespace takes in the APIKeys and the Memberships of a namespace as they are now.
func (c *Cluster) takeNamespace(ctx context.Context, namespace string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	tenants, err := c.tenantsIn(ctx, namespace)
	if err != nil {
		return err
	}
	if err := c.takeKeys(ctx, namespace, tenants); err != nil {
		return err
	}
	return c.takeMemberships(ctx, namespace, tenants)
}

// tenantsIn are the tenants of the accepted budgets of a namespace, by the names of the budgets.
func (c *Cluster) tenantsIn(ctx context.Context, namespace string) (map[string]string, error) {
	var budgets v1alpha1.TenantBudgetList
	if err := c.client.List(ctx, &budgets, client.InNamespace(namespace)); err != nil {
		return nil, err
	}
	tenants := map[string]string{}
	for _, budget := range budgets.Items {
		if isGoverning(&budget) {
			tenants[budget.Name] = budget.Spec.Tenant
		}
	}
	return tenants, nil
}

// isGoverning reports whether a budget governs its tenant. A new generation that the manager has
// not looked at yet counts like the one before, because a budget cannot change its tenant.
func isGoverning(budget *v1alpha1.TenantBudget) bool {
	return budget.DeletionTimestamp.IsZero() && meta.IsStatusConditionTrue(budget.Status.Conditions, v1alpha1.ConditionAccepted)
}

func (c *Cluster) takeKeys(ctx context.Context, namespace string, tenants map[string]string) error {
	var keys v1alpha1.APIKeyList
	if err := c.client.List(ctx, &keys, client.InNamespace(namespace)); err != nil {
		return err
	}
	stay, put := map[types.NamespacedName]bool{}, map[types.NamespacedName]*v1alpha1.APIKey{}
	for i := range keys.Items {
		key := &keys.Items[i]
		name, tenant := client.ObjectKeyFromObject(key), tenants[key.Spec.BudgetRef.Name]
		switch standing := callers.StandingOf(key); {
		case tenant == "" || standing == callers.Refused:
		case standing == callers.InForce:
			stay[name], put[name] = true, key
		case c.keys[name].tenant == tenant:
			stay[name] = true
		}
	}
	// Removals come first, because another APIKey may have a removed one's hash now.
	for name, key := range c.keys {
		if name.Namespace != namespace || stay[name] && put[name] == nil {
			continue
		}
		for _, hash := range key.hashes {
			if put[name] == nil || !has(put[name], hash) {
				c.SetCredential(namespace, hash, nil)
			}
		}
		delete(c.keys, name)
	}
	for name, key := range put {
		if err := c.putKey(name, key, tenants[key.Spec.BudgetRef.Name]); err != nil {
			return err
		}
	}
	return nil
}

// has reports whether a hash is one of an APIKey's. Such a hash is not removed while the APIKey is
// updated.
func has(key *v1alpha1.APIKey, hash [sha256.Size]byte) bool {
	digits := hex.EncodeToString(hash[:])
	return slices.Contains(key.Hashes(), digits)
}

// putKey takes in an APIKey of a tenant, with all its keys.
func (c *Cluster) putKey(name types.NamespacedName, key *v1alpha1.APIKey, tenant string) error {
	known := registered{tenant: tenant}
	for _, credential := range callers.Credentials(key, tenant) {
		hash, err := parseHash(credential.SHA256)
		if err != nil {
			return fmt.Errorf("APIKey %s: %w", name, err)
		}
		c.SetCredential(name.Namespace, hash, &credential)
		known.hashes = append(known.hashes, hash)
	}
	c.keys[name] = known
	return nil
}

func parseHash(digits string) (hash [sha256.Size]byte, err error) {
	n, err := hex.Decode(hash[:], []byte(digits))
	if err == nil && n != len(hash) {
		err = fmt.Errorf("a SHA-256 of %d bytes", n)
	}
	return hash, err
}

func (c *Cluster) takeMemberships(ctx context.Context, namespace string, tenants map[string]string) error {
	var memberships v1alpha1.MembershipList
	if err := c.client.List(ctx, &memberships, client.InNamespace(namespace)); err != nil {
		return err
	}
	there := map[types.NamespacedName]bool{}
	for _, membership := range memberships.Items {
		name := client.ObjectKeyFromObject(&membership)
		tenant, standing := tenants[membership.Spec.BudgetRef.Name], callers.StandingOf(&membership)
		if tenant == "" || standing == callers.Refused || standing == callers.Undecided && !c.memberships[name] {
			continue
		}
		if standing == callers.InForce {
			members, errs := callers.Members(&membership, tenant)
			if len(errs) > 0 {
				continue
			}
			c.Members().Put(members)
			c.memberships[name] = true
		}
		there[name] = true
	}
	for name := range c.memberships {
		if name.Namespace == namespace && !there[name] {
			c.Members().Withdraw(name.String())
			delete(c.memberships, name)
		}
	}
	return nil
}
