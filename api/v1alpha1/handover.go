package v1alpha1

import (
	"cmp"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Succeeds reports whether another budget names this one as its successor, for the same tenant.
func (b *TenantBudget) Succeeds(predecessor *TenantBudget) bool {
	ref := predecessor.Spec.SuccessorRef
	return ref != nil && ref.Name == b.Name && cmp.Or(ref.Namespace, predecessor.Namespace) == b.Namespace &&
		predecessor.UID != b.UID && predecessor.Spec.Tenant == b.Spec.Tenant
}

// HandedOverTo names the budget that has taken over the tenant as this one's successor; ok is false
// while there is none.
func (b *TenantBudget) HandedOverTo() (successor types.NamespacedName, ok bool) {
	accepted := meta.FindStatusCondition(b.Status.Conditions, ConditionAccepted)
	ref := b.Spec.SuccessorRef
	if ref == nil || accepted == nil || accepted.Status != metav1.ConditionFalse || accepted.Reason != ReasonHandedOver {
		return types.NamespacedName{}, false
	}
	return types.NamespacedName{Namespace: cmp.Or(ref.Namespace, b.Namespace), Name: ref.Name}, true
}

// maxHandovers bounds how many successors Governing follows, because statuses that are not current may
// form a cycle.
const maxHandovers = 16

// Governing is the budget that now has a budget's tenant, after any handovers; the budget itself if
// there was none. get reads a budget, and returns nil for one that does not exist. The error is that of
// get.
func (b *TenantBudget) Governing(get func(types.NamespacedName) (*TenantBudget, error)) (*TenantBudget, error) {
	for range maxHandovers {
		key, ok := b.HandedOverTo()
		if !ok {
			break
		}
		successor, err := get(key)
		if err != nil {
			return nil, err
		}
		if successor == nil || !successor.Succeeds(b) {
			break
		}
		b = successor
	}
	return b, nil
}
