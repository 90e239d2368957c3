package history

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Family are the tenants, of those that TenantBudgets name, whose calls count against any
// limit of the document: the document's own, those below it and, where an ancestor has
// limits, those below that one.
func Family(document limiterv1.Tenant, budgets []v1alpha1.TenantBudget) []Tenant {
	top := Limiting(document)
	self := Tenant{Name: document.Tenant}
	for _, ancestor := range document.Ancestors {
		self.Ancestors = append(self.Ancestors, ancestor.Tenant)
	}
	family := []Tenant{self}
	for _, budget := range budgets {
		tenant := Tenant{Name: budget.Spec.Tenant, Ancestors: AncestorsOf(budget, budgets)}
		isBelow := slices.ContainsFunc(top, func(t string) bool { return t == tenant.Name || slices.Contains(tenant.Ancestors, t) })
		isKnown := slices.ContainsFunc(family, func(t Tenant) bool { return t.Name == tenant.Name })
		if isBelow && !isKnown {
			family = append(family, tenant)
		}
	}
	return family
}

// Limiting are the tenants whose limits calls of the document's tenant count against: itself, and
// those of its ancestors that have limits.
func Limiting(document limiterv1.Tenant) []string {
	limiting := []string{document.Tenant}
	for _, ancestor := range document.Ancestors {
		if len(ancestor.Money)+len(ancestor.Rates) > 0 {
			limiting = append(limiting, ancestor.Tenant)
		}
	}
	return limiting
}

// AncestorsOf are the tenants above a budget, nearest first, as far as budgets are known.
func AncestorsOf(budget v1alpha1.TenantBudget, budgets []v1alpha1.TenantBudget) (ancestors []string) {
	find := func(key types.NamespacedName) (*v1alpha1.TenantBudget, error) {
		at := slices.IndexFunc(budgets, func(b v1alpha1.TenantBudget) bool { return client.ObjectKeyFromObject(&b) == key })
		if at < 0 {
			return nil, nil
		}
		return &budgets[at], nil
	}
	for at := &budget; at.Spec.ParentRef != nil && len(ancestors) < limiterv1.MaxDepth; {
		parent, _ := find(at.ParentKey())
		if parent == nil {
			break
		}
		at, _ = parent.Governing(find) // find does not fail
		ancestors = append(ancestors, at.Spec.Tenant)
	}
	return ancestors
}
