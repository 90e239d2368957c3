package resources

import (
	"fmt"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// maxDepth is how many budgets one may have above it.
const maxDepth = 8

// wrongAmongOthers makes a resource that is valid by itself, but cannot be accepted
// together with existing ones. Names belong to the oldest and, of two that were made
// in the same second, to the first by name.
func (m *Maker) wrongAmongOthers() Resource {
	switch m.IntN(10) {
	case 0:
		rival := m.newBudget()
		rival.Spec.Tenant = pick(m, m.budgets...).Spec.Tenant
		return wrong(rival, "spec.tenant", "is another's")
	case 1:
		b := m.newBudget()
		b.Namespace = m.plain
		return wrong(b, "spec.tenant", "is not the namespace's to name")
	case 2:
		b := m.newBudget()
		b.Spec.ParentRef = &v1alpha1.ParentRef{Name: "nobody", Namespace: pick(m, "", m.plain, "no-such-namespace")}
		return wrong(b, "spec.parentRef", "is not there")
	case 3:
		return wrong(named(m.newPolicy(), "nobody"), "spec.targetRef.name", "is not there")
	case 4:
		p := named(m.newPolicy(), pick(m, m.budgets...).Name)
		p.Namespace = m.plain
		return wrong(p, "spec.targetRef.name", "is in another namespace")
	case 7:
		p := m.selecting(m.newPolicy())
		p.Spec.TargetSelector.MatchLabels = map[string]string{"plan": "nobody-s"}
		return wrong(p, "spec.targetSelector", "selects nothing")
	case 8:
		p := m.selecting(m.newPolicy())
		p.Namespace, p.Spec.TargetSelector.Namespaces = m.plain, v1alpha1.Namespaces{From: v1alpha1.NamespacesAll}
		return wrong(p, "spec.targetSelector.namespaces.from", "is not the namespace's to select")
	case 5:
		k := m.newKey()
		k.Spec.BudgetRef.Name = "nobody"
		return wrong(k, "spec.budgetRef.name", "is not there")
	case 6:
		k := m.newKey()
		k.Spec.SHA256 = pick(m, m.keys...).Spec.SHA256
		return wrong(k, "spec.sha256", "is another's")
	default:
		p, other := m.newProvider(), pick(m, m.providers...)
		p.Spec.Models[0].Name = pick(m, other.Spec.Models...).Name
		return wrong(p, "spec.models[0].name", "is another's")
	}
}

// wrongChain makes budgets that are invalid because of those above them, and a policy, a key and
// a grant of such a budget.
func (m *Maker) wrongChain() []Resource {
	top := m.newBudget()
	var made []Resource
	switch m.IntN(3) {
	case 0:
		top.Spec.TimeZone = "Mars/Olympus_Mons"
		made = append(made, wrong(top, "spec.timeZone", "is on another planet"), m.below(top, "is not accepted"))
	case 1:
		next := m.newBudget()
		top.Spec.ParentRef = &v1alpha1.ParentRef{Name: next.Name}
		next.Spec.ParentRef = &v1alpha1.ParentRef{Name: top.Name, Namespace: top.Namespace}
		made = append(made, wrong(top, "spec.parentRef", "leads back"), wrong(next, "spec.parentRef", "leads back"))
	default:
		// Those down to the allowed depth are valid.
		made = append(made, valid(top))
		for range maxDepth {
			next := m.newBudget()
			next.Spec.ParentRef = &v1alpha1.ParentRef{Name: top.Name}
			made, top = append(made, valid(next)), next
		}
		deepest := m.newBudget()
		deepest.Spec.ParentRef = &v1alpha1.ParentRef{Name: top.Name}
		made, top = append(made, wrong(deepest, "spec.parentRef", fmt.Sprintf("has %d above", maxDepth+1))), deepest
	}
	policy, key := m.newPolicy(), m.newKey()
	policy, key.Spec.BudgetRef.Name = named(policy, top.Name), top.Name
	return append(made, wrong(policy, "spec.targetRef.name", "is not accepted"), wrong(key, "spec.budgetRef.name", "is not accepted"),
		wrong(m.grantOf(top), "spec.budgetRef.name", "is not accepted"))
}

func (m *Maker) below(parent *v1alpha1.TenantBudget, why string) Resource {
	b := m.newBudget()
	b.Spec.ParentRef = &v1alpha1.ParentRef{Name: parent.Name}
	return wrong(b, "spec.parentRef", why)
}
