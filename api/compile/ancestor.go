package compile

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Ancestor is what a tenant's descendants inherit from it: its limits that count the
// whole tenant, its ladder, its breaker if that is forced, whether all these are in
// Shadow, and how much of them may be held for use while the store is lost.
type Ancestor struct {
	sources []limiterv1.Source
	level   limiterv1.Level
}

// NewAncestor compiles, for the descendants of a tenant, its TenantBudget, the
// RateLimitPolicies that apply to it, and its BudgetGrants. The errors are as Tenant's.
func NewAncestor(
	budget *v1alpha1.TenantBudget, policies []v1alpha1.RateLimitPolicy, grants []v1alpha1.BudgetGrant,
) (Ancestor, field.ErrorList) {
	shared := Granting(budget, grants)
	shared = slices.DeleteFunc(shared, func(g v1alpha1.BudgetGrant) bool { return countsOwners(budget, g.Spec.Limit) })
	own := slices.DeleteFunc(Applying(budget.Namespace, policies), func(p v1alpha1.RateLimitPolicy) bool {
		// Policies that do not matter to descendants must not change their documents.
		return !slices.ContainsFunc(p.Spec.Limits, func(l v1alpha1.RateLimit) bool { return l.Per == v1alpha1.ScopeTenant })
	})
	level, sources, errs := level(budget, own, shared)
	if len(errs) > 0 {
		return Ancestor{}, errs
	}
	level.Money = slices.DeleteFunc(level.Money, func(l limiterv1.MoneyLimit) bool { return l.Per != limiterv1.PerTenant })
	level.Rates = slices.DeleteFunc(level.Rates, func(l limiterv1.RateLimit) bool { return l.Per != limiterv1.PerTenant })
	return Ancestor{sources: sources, level: level}, nil
}

// countsOwners reports whether a limit of the budget is per user, group or APIKey.
func countsOwners(budget *v1alpha1.TenantBudget, limit string) bool {
	return slices.ContainsFunc(budget.Spec.Limits, func(l v1alpha1.MoneyLimit) bool {
		return l.Name == limit && limiterv1.Scope(cmp.Or(l.Per, v1alpha1.ScopeTenant)) != limiterv1.PerTenant
	})
}

// under puts a tenant under its ancestors. The tenant's own sources stay first.
func under(tenant limiterv1.Tenant, ancestors []Ancestor) limiterv1.Tenant {
	for _, ancestor := range ancestors {
		tenant.Sources = append(tenant.Sources, ancestor.sources...)
		tenant.Ancestors = append(tenant.Ancestors, ancestor.level)
	}
	return tenant
}

// Inherit replaces an ancestor's part of a document that was compiled earlier with what
// the ancestor is now, even if its tenant has another budget now. All else stays.
func Inherit(document limiterv1.Tenant, ancestor Ancestor) limiterv1.Tenant {
	parts := partsOf(document.Sources)
	document.Ancestors = slices.Clone(document.Ancestors)
	for i := range document.Ancestors {
		if document.Ancestors[i].Tenant == ancestor.level.Tenant {
			parts[i+1], document.Ancestors[i] = ancestor.sources, ancestor.level
		}
	}
	document.Sources = slices.Concat(parts...)
	return document
}

// AncestorsOf are the TenantBudgets that the document inherits from, nearest first.
func AncestorsOf(document limiterv1.Tenant) []limiterv1.Source {
	var budgets []limiterv1.Source
	for _, part := range partsOf(document.Sources)[1:] {
		budgets = append(budgets, part[0])
	}
	return budgets
}

// partsOf are the sources of the tenant and of each of its ancestors: a budget, the
// policies that apply to it, and the grants it was given.
func partsOf(sources []limiterv1.Source) [][]limiterv1.Source {
	var parts [][]limiterv1.Source
	for _, source := range sources {
		if source.Kind == kindTenantBudget {
			parts = append(parts, nil)
		}
		last := len(parts) - 1
		parts[last] = append(parts[last], source)
	}
	return parts
}
