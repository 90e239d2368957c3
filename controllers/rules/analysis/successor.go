package analysis

import (
	"cmp"
	"context"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/nearest"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/index"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// Succession is what there is around the successor that a budget names.
type Succession struct {
	// Key is the successor's namespace and name.
	Key string
	// Tenant is what the successor's spec names. It is empty if the successor does not exist, or if
	// it is of another namespace and another tenant, which must not be revealed. Others are the
	// names of the other budgets in the namespace of the budget that is succeeded.
	Tenant string
	Others []string
	// Children are the budgets that still name the succeeded budget as their parent.
	Children []string
}

// succession finds what there is around the successor of a budget; nil if it names none.
func (a *Analyzer) succession(ctx context.Context, budget *v1alpha1.TenantBudget) (*Succession, error) {
	ref := budget.Spec.SuccessorRef
	if ref == nil {
		return nil, nil
	}
	key := client.ObjectKey{Namespace: cmp.Or(ref.Namespace, budget.Namespace), Name: ref.Name}
	s := &Succession{Key: key.String()}
	var children v1alpha1.TenantBudgetList
	if err := a.reader.List(ctx, &children, client.MatchingFields{index.BudgetParent: index.KeyOf(budget)}); err != nil {
		return nil, err
	}
	for i := range children.Items {
		s.Children = append(s.Children, index.KeyOf(&children.Items[i]))
	}
	var successor v1alpha1.TenantBudget
	err := a.reader.Get(ctx, key, &successor)
	if client.IgnoreNotFound(err) != nil {
		return nil, err
	}
	if key.Namespace == budget.Namespace || successor.Spec.Tenant == budget.Spec.Tenant {
		s.Tenant = successor.Spec.Tenant
	}
	s.Others, err = a.beside(ctx, budget)
	return s, err
}

// beside are the names of the other budgets in the namespace of one.
func (a *Analyzer) beside(ctx context.Context, budget *v1alpha1.TenantBudget) (names []string, err error) {
	var others v1alpha1.TenantBudgetList
	if err := a.reader.List(ctx, &others, client.UnsafeDisableDeepCopy, client.InNamespace(budget.Namespace)); err != nil {
		return nil, err
	}
	for i := range others.Items {
		if name := others.Items[i].Name; name != budget.Name {
			names = append(names, name)
		}
	}
	return names, nil
}

// successor finds a successor that cannot take the tenant over, and children that still name this one.
func (f *found) successor(budget *v1alpha1.TenantBudget, s *Succession) {
	if s == nil {
		return
	}
	path := field.NewPath("spec", "successorRef")
	switch {
	case s.Key == index.KeyOf(budget):
		f.noEffect(path, "names this TenantBudget itself: name the one that takes over, or leave successorRef out")
	case s.Tenant == "":
		f.warn(path, "there is no TenantBudget %s of this tenant yet: this one governs the tenant until there is%s",
			s.Key, nearest.DidYouMean(budget.Spec.SuccessorRef.Name, s.Others))
	case s.Tenant != budget.Spec.Tenant:
		f.noEffect(path, "TenantBudget %s has spec.tenant %q: it takes over only with %q", s.Key, s.Tenant, budget.Spec.Tenant)
	}
	if len(s.Children) > 0 {
		f.warn(path, "its children move below %s: name it in spec.parentRef of %s before you delete this one", s.Key, verdict.Some(s.Children, named))
	}
}
