package acceptance

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/reach"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/index"
)

// policiesOf are the RateLimitPolicies that apply to the budget, valid or not: those that
// name it, and those that select it and are allowed to.
func policiesOf(ctx context.Context, reader client.Reader, budget *v1alpha1.TenantBudget) ([]v1alpha1.RateLimitPolicy, error) {
	var naming v1alpha1.RateLimitPolicyList
	err := reader.List(ctx, &naming,
		client.InNamespace(budget.Namespace), client.MatchingFields{index.PolicyTarget: budget.Name})
	if err != nil {
		return nil, err
	}
	policies := naming.Items
	selecting, err := PoliciesSelecting(ctx, reader, budget)
	if err != nil {
		return nil, err
	}
	for _, policy := range selecting {
		may, err := reach.MaySelect(policy, labelsIn(ctx, reader))
		if err != nil {
			return nil, err
		}
		if may {
			policies = append(policies, *policy)
		}
	}
	return policies, nil
}

// PoliciesSelecting are the RateLimitPolicies that select the budget, whether or not
// their namespaces let them. They are the reader's own objects. REQUIRES: nobody
// changes them.
func PoliciesSelecting(
	ctx context.Context, reader client.Reader, budget *v1alpha1.TenantBudget,
) ([]*v1alpha1.RateLimitPolicy, error) {
	var selecting []*v1alpha1.RateLimitPolicy
	for _, where := range []string{budget.Namespace, index.Beyond} {
		var policies v1alpha1.RateLimitPolicyList
		err := reader.List(ctx, &policies, client.UnsafeDisableDeepCopy, client.MatchingFields{index.PolicySelects: where})
		if err != nil {
			return nil, err
		}
		for i := range policies.Items {
			policy := &policies.Items[i]
			selects, err := reach.Selects(policy, budget, labelsIn(ctx, reader))
			if err != nil {
				return nil, err
			}
			if selects {
				selecting = append(selecting, policy)
			}
		}
	}
	return selecting, nil
}

// Selected are the budgets that a policy with a selector selects, whether or not its
// namespace allows it, except those that are being deleted. They are the cache's own
// objects. REQUIRES: the caller does not change them.
func Selected(
	ctx context.Context, reader client.Reader, policy *v1alpha1.RateLimitPolicy,
) ([]*v1alpha1.TenantBudget, error) {
	selector, err := metav1.LabelSelectorAsSelector(policy.Spec.TargetSelector.LabelSelector())
	if err != nil {
		return nil, nil // its own status says so
	}
	options := []client.ListOption{client.UnsafeDisableDeepCopy, client.MatchingLabelsSelector{Selector: selector}}
	if !policy.Spec.TargetSelector.ReachesBeyond() {
		options = append(options, client.InNamespace(policy.Namespace))
	}
	var budgets v1alpha1.TenantBudgetList
	if err := reader.List(ctx, &budgets, options...); err != nil {
		return nil, err
	}
	var selected []*v1alpha1.TenantBudget
	included := map[string]bool{}
	for i := range budgets.Items {
		budget := &budgets.Items[i]
		isIncluded, known := included[budget.Namespace]
		if !known {
			isIncluded, err = reach.Includes(policy.Spec.TargetSelector.Namespaces, policy.Namespace, budget.Namespace, labelsIn(ctx, reader))
			if err != nil {
				return nil, err
			}
			included[budget.Namespace] = isIncluded
		}
		if isIncluded && budget.DeletionTimestamp.IsZero() {
			selected = append(selected, budget)
		}
	}
	return selected, nil
}
