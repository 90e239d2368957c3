package history

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Family are those of the tenants of budgets whose calls count against any limit of the
// document: the document's own tenant, those below it and, if an ancestor has limits,
// those below that ancestor.
func Family(document limiterv1.Tenant, budgets []v1alpha1.TenantBudget) []Tenant {
	top := Limiting(document)
	self := Tenant{Name: document.Tenant}
	for _, ancestor := range document.Ancestors {
		self.Ancestors = append(self.Ancestors, ancestor.Tenant)
	}
	family, known, all := []Tenant{self}, map[string]bool{self.Name: true}, byKey(budgets)
	for i := range budgets {
		tenant := Tenant{Name: budgets[i].Spec.Tenant, Ancestors: ancestorsIn(&budgets[i], all)}
		isBelow := slices.ContainsFunc(top, func(t string) bool { return t == tenant.Name || slices.Contains(tenant.Ancestors, t) })
		if isBelow && !known[tenant.Name] {
			family, known[tenant.Name] = append(family, tenant), true
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

// AncestorsOf are the tenants above a budget, nearest first, as far as their budgets are given.
func AncestorsOf(budget v1alpha1.TenantBudget, budgets []v1alpha1.TenantBudget) []string {
	return ancestorsIn(&budget, byKey(budgets))
}

func byKey(budgets []v1alpha1.TenantBudget) map[types.NamespacedName]*v1alpha1.TenantBudget {
	all := make(map[types.NamespacedName]*v1alpha1.TenantBudget, len(budgets))
	for i := range budgets {
		all[client.ObjectKeyFromObject(&budgets[i])] = &budgets[i]
	}
	return all
}

func ancestorsIn(budget *v1alpha1.TenantBudget, all map[types.NamespacedName]*v1alpha1.TenantBudget) (ancestors []string) {
	find := func(key types.NamespacedName) (*v1alpha1.TenantBudget, error) { return all[key], nil }
	for at := budget; at.Spec.ParentRef != nil && len(ancestors) < limiterv1.MaxDepth; {
		parent := all[at.ParentKey()]
		if parent == nil {
			break
		}
		at, _ = parent.Governing(find) // find does not fail
		ancestors = append(ancestors, at.Spec.Tenant)
	}
	return ancestors
}
