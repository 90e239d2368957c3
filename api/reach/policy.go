package reach

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Applies reports whether a policy applies to a budget: whether it names the budget, or
// selects it and is allowed to.
func Applies(policy *v1alpha1.RateLimitPolicy, budget *v1alpha1.TenantBudget, labelsOf LabelsOf) (bool, error) {
	if policy.Spec.TargetSelector == nil {
		ref := policy.Spec.TargetRef
		return ref != nil && policy.Namespace == budget.Namespace && ref.Name == budget.Name, nil
	}
	selects, err := Selects(policy, budget, labelsOf)
	if err != nil || !selects {
		return false, err
	}
	return MaySelect(policy, labelsOf)
}

// Selects reports whether a policy's selector selects a budget, whether or not it is
// allowed to. An invalid selector selects nothing: the policy's own status reports it.
// REQUIRES: the policy has a selector.
func Selects(policy *v1alpha1.RateLimitPolicy, budget *v1alpha1.TenantBudget, labelsOf LabelsOf) (bool, error) {
	target := policy.Spec.TargetSelector
	selector, err := metav1.LabelSelectorAsSelector(target.LabelSelector())
	if err != nil || !selector.Matches(labels.Set(budget.Labels)) {
		return false, nil
	}
	return Includes(target.Namespaces, policy.Namespace, budget.Namespace, labelsOf)
}

// MaySelect reports whether a policy's namespace allows it to select where it does.
// REQUIRES: the policy has a selector.
func MaySelect(policy *v1alpha1.RateLimitPolicy, labelsOf LabelsOf) (bool, error) {
	if !policy.Spec.TargetSelector.ReachesBeyond() {
		return true, nil
	}
	return IsDelegated(policy.Namespace, labelsOf)
}
