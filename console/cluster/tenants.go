package cluster

import (
	"context"
	"errors"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/reach"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// ErrNoTenant means that no accepted TenantBudget, or more than one, names the tenant.
var ErrNoTenant = errors.New("there is no TenantBudget of this tenant")

// Budget is the TenantBudget of a tenant. It fails with ErrNoTenant where there is none.
func (c *Cluster) Budget(ctx context.Context, tenant string) (*v1alpha1.TenantBudget, error) {
	var budgets v1alpha1.TenantBudgetList
	if err := c.client.List(ctx, &budgets, client.MatchingFields{byTenant: tenant}); err != nil {
		return nil, err
	}
	governing := slices.DeleteFunc(budgets.Items, func(b v1alpha1.TenantBudget) bool { return !isGoverning(&b) })
	if len(governing) != 1 {
		return nil, ErrNoTenant
	}
	return &governing[0], nil
}

// Budgets are the TenantBudgets of all tenants, by the names of the tenants. They are the cache's own objects:
// nobody may change them.
func (c *Cluster) Budgets(ctx context.Context) ([]v1alpha1.TenantBudget, error) {
	var budgets v1alpha1.TenantBudgetList
	if err := c.client.List(ctx, &budgets, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	governing := slices.DeleteFunc(budgets.Items, func(b v1alpha1.TenantBudget) bool { return !isGoverning(&b) })
	slices.SortFunc(governing, func(a, b v1alpha1.TenantBudget) int { return strings.Compare(a.Spec.Tenant, b.Spec.Tenant) })
	return governing, nil
}

// Ancestors are the tenants above a tenant, nearest first; none if there is no such tenant.
func (c *Cluster) Ancestors(ctx context.Context, tenant string) ([]string, error) {
	tree, err := c.Tree(ctx)
	if err != nil {
		return nil, err
	}
	return tree.Above(tenant), nil
}

// AncestorBudgets are the TenantBudgets above one, nearest first, up to one that is missing or not accepted.
func (c *Cluster) AncestorBudgets(ctx context.Context, budget *v1alpha1.TenantBudget) (above []v1alpha1.TenantBudget, err error) {
	for at := budget; at.Spec.ParentRef != nil && len(above) < limiterv1.MaxDepth; {
		parent, err := c.parent(ctx, at.ParentKey())
		if apierrors.IsNotFound(err) || err == nil && !isGoverning(parent) {
			return above, nil
		}
		if err != nil {
			return above, err
		}
		at, above = parent, append(above, *parent)
	}
	return above, nil
}

// parent is the TenantBudget with the key of a parent, or the successor that it was handed over to.
func (c *Cluster) parent(ctx context.Context, key types.NamespacedName) (*v1alpha1.TenantBudget, error) {
	var parent v1alpha1.TenantBudget
	if err := c.client.Get(ctx, key, &parent); err != nil {
		return nil, err
	}
	return c.governing(ctx, &parent)
}

// governing is a TenantBudget, or the one that it was handed over to.
func (c *Cluster) governing(ctx context.Context, budget *v1alpha1.TenantBudget) (*v1alpha1.TenantBudget, error) {
	return budget.Governing(func(key types.NamespacedName) (*v1alpha1.TenantBudget, error) {
		var successor v1alpha1.TenantBudget
		if err := c.client.Get(ctx, key, &successor); err != nil {
			return nil, client.IgnoreNotFound(err)
		}
		return &successor, nil
	})
}

// Keys are the APIKeys of a tenant, by their names. They are the cache's own objects: nobody may change them.
func (c *Cluster) Keys(ctx context.Context, tenant string) ([]v1alpha1.APIKey, error) {
	budget, err := c.Budget(ctx, tenant)
	if err != nil {
		return nil, err
	}
	var keys v1alpha1.APIKeyList
	err = c.client.List(ctx, &keys, client.UnsafeDisableDeepCopy, client.InNamespace(budget.Namespace), client.MatchingFields{byBudget: budget.Name})
	slices.SortFunc(keys.Items, func(a, b v1alpha1.APIKey) int { return strings.Compare(a.Name, b.Name) })
	return keys.Items, err
}

// PoliciesNaming are the RateLimitPolicies that name the budget of a tenant, by their names.
func (c *Cluster) PoliciesNaming(ctx context.Context, budget *v1alpha1.TenantBudget) ([]v1alpha1.RateLimitPolicy, error) {
	var policies v1alpha1.RateLimitPolicyList
	err := c.client.List(ctx, &policies, client.InNamespace(budget.Namespace), client.MatchingFields{byTarget: budget.Name})
	slices.SortFunc(policies.Items, func(a, b v1alpha1.RateLimitPolicy) int { return strings.Compare(a.Name, b.Name) })
	return policies.Items, err
}

// Policies are the RateLimitPolicies that apply to the budget of a tenant, in the order in which they refuse:
// those that name it, and those that select it by its labels and are allowed to.
func (c *Cluster) Policies(ctx context.Context, budget *v1alpha1.TenantBudget) ([]v1alpha1.RateLimitPolicy, error) {
	policies, err := c.PoliciesNaming(ctx, budget)
	if err != nil {
		return nil, err
	}
	for _, where := range []string{budget.Namespace, beyond} {
		var selecting v1alpha1.RateLimitPolicyList
		if err := c.client.List(ctx, &selecting, client.MatchingFields{bySelection: where}); err != nil {
			return nil, err
		}
		for _, policy := range selecting.Items {
			applies, err := reach.Applies(&policy, budget, c.labelsOf(ctx))
			if err != nil {
				return nil, err
			}
			if applies {
				policies = append(policies, policy)
			}
		}
	}
	return compile.Applying(budget.Namespace, policies), nil
}

// labelsOf finds the labels of namespaces.
func (c *Cluster) labelsOf(ctx context.Context) reach.LabelsOf {
	return func(name string) (map[string]string, error) {
		namespace := namespaces()
		err := c.client.Get(ctx, types.NamespacedName{Name: name}, namespace)
		return namespace.Labels, client.IgnoreNotFound(err)
	}
}
