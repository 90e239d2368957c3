package tenantbudget

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/claim"
	"github.com/bursar-dev/bursar/controllers/compile"
	"github.com/bursar-dev/bursar/controllers/conditions"
	"github.com/bursar-dev/bursar/controllers/index"
)

// accept decides whether the budget is to have effect, and compiles it if so.
func (c *Controller) accept(ctx context.Context, s *scope) error {
	holder, err := c.holder(ctx, s.budget)
	if err != nil {
		return err
	}
	if rejection := contest(s.budget, holder); rejection != nil {
		s.accepted, s.forfeited = *rejection, true
		return nil
	}
	ancestors, rejection, err := c.ancestors(ctx, s.budget)
	if err != nil {
		return err
	}
	if rejection != nil {
		s.accepted = *rejection
		return nil
	}
	policies, err := c.policiesOf(ctx, s.budget)
	if err != nil {
		return err
	}
	document, errs := compile.Tenant(s.budget, policies, ancestors...)
	if len(errs) > 0 {
		s.accepted = conditions.Invalid(errs)
		return nil
	}
	s.accepted, s.document = conditions.Accepted(), &document
	return nil
}

// contest is why the budget may not name its tenant, when holder is the one that
// does; nil when it may. There is no holder when no budget's namespace allows it.
func contest(budget, holder *v1alpha1.TenantBudget) *conditions.Verdict {
	path := field.NewPath("spec", "tenant")
	if holder == nil {
		rejection := conditions.Rejected(v1alpha1.ReasonNamespaceNotDelegated, field.Forbidden(path, fmt.Sprintf(
			"must equal the namespace, %q, unless that is labelled %s=true", budget.Namespace, v1alpha1.DelegatedLabel)).Error())
		return &rejection
	}
	if holder.UID != budget.UID {
		rejection := conditions.Rejected(v1alpha1.ReasonConflicted, field.Invalid(path, budget.Spec.Tenant, fmt.Sprintf(
			"belongs to the older TenantBudget %s/%s", holder.Namespace, holder.Name)).Error())
		return &rejection
	}
	return nil
}

// holder is the budget that has the tenant which the given one names: the oldest
// of those whose namespaces let them name it. It is nil when the given budget's
// namespace does not let it, whoever else has the tenant.
func (c *Controller) holder(ctx context.Context, budget *v1alpha1.TenantBudget) (*v1alpha1.TenantBudget, error) {
	if may, err := c.mayNameTenant(ctx, budget); err != nil || !may {
		return nil, err
	}
	var rivals v1alpha1.TenantBudgetList
	if err := c.client.List(ctx, &rivals, client.MatchingFields{index.BudgetTenant: budget.Spec.Tenant}); err != nil {
		return nil, err
	}
	claimants := []*v1alpha1.TenantBudget{budget}
	for i := range rivals.Items {
		rival := &rivals.Items[i]
		if rival.UID == budget.UID {
			continue
		}
		may, err := c.mayNameTenant(ctx, rival)
		if err != nil {
			return nil, err
		}
		if may {
			claimants = append(claimants, rival)
		}
	}
	return slices.MinFunc(claimants, func(a, b *v1alpha1.TenantBudget) int { return claim.Compare(a, b) }), nil
}

// mayNameTenant reports whether the budget's namespace lets it name its tenant.
func (c *Controller) mayNameTenant(ctx context.Context, budget *v1alpha1.TenantBudget) (bool, error) {
	if budget.Namespace == budget.Spec.Tenant {
		return true, nil
	}
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	err := c.client.Get(ctx, types.NamespacedName{Name: budget.Namespace}, namespace)
	return namespace.Labels[v1alpha1.DelegatedLabel] == "true", client.IgnoreNotFound(err)
}

// policiesOf are the RateLimitPolicies that apply to the budget.
func (c *Controller) policiesOf(ctx context.Context, budget *v1alpha1.TenantBudget) ([]v1alpha1.RateLimitPolicy, error) {
	var policies v1alpha1.RateLimitPolicyList
	err := c.client.List(ctx, &policies,
		client.InNamespace(budget.Namespace), client.MatchingFields{index.PolicyTarget: budget.Name})
	return policies.Items, err
}
