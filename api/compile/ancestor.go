package compile

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Ancestor is what a tenant's descendants inherit of it: of its limits, those that
// count the whole tenant; its ladder; its breaker, if that is forced; whether all these
// are in Shadow; and what it lets be reserved for when the store is lost.
type Ancestor struct {
	sources []limiterv1.Source
	level   limiterv1.Level
}

// NewAncestor compiles a TenantBudget, the RateLimitPolicies that apply to it and the
// BudgetGrants that it was given for its tenant's descendants. The errors are as
// Tenant's.
func NewAncestor(
	budget *v1alpha1.TenantBudget, policies []v1alpha1.RateLimitPolicy, grants []v1alpha1.BudgetGrant,
) (Ancestor, field.ErrorList) {
	shared := Granting(budget, grants)
	shared = slices.DeleteFunc(shared, func(g v1alpha1.BudgetGrant) bool { return countsOwners(budget, g.Spec.Limit) })
	own := slices.DeleteFunc(Applying(budget.Namespace, policies), func(p v1alpha1.RateLimitPolicy) bool {
		// What does not matter to descendants is not to change their documents.
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

// countsOwners reports whether a limit of the budget is for each user, group or APIKey.
func countsOwners(budget *v1alpha1.TenantBudget, limit string) bool {
	return slices.ContainsFunc(budget.Spec.Limits, func(l v1alpha1.MoneyLimit) bool {
		return l.Name == limit && limiterv1.Scope(cmp.Or(l.Per, v1alpha1.ScopeTenant)) != limiterv1.PerTenant
	})
}

// under puts a tenant under its ancestors. What it was compiled from itself stays
// first among the sources.
func under(tenant limiterv1.Tenant, ancestors []Ancestor) limiterv1.Tenant {
	for _, ancestor := range ancestors {
		tenant.Sources = append(tenant.Sources, ancestor.sources...)
		tenant.Ancestors = append(tenant.Ancestors, ancestor.level)
	}
	return tenant
}

// Inherit puts what an ancestor is now in the place of what the document, which was
// compiled earlier, has of its tenant, be it of another budget. All else stays.
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
