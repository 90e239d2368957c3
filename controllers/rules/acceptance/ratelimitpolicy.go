package acceptance

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/precedence"
	"github.com/bursar-dev/bursar/api/reach"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/index"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// RateLimitPolicy is what was decided of a RateLimitPolicy.
type RateLimitPolicy struct {
	Decision
	// Tenant is that of the target that it names; empty if it names none, or the target does not
	// exist.
	Tenant string
	// Targets are the budgets that its limits are to apply to: those that it names or
	// selects and that are accepted, in the order of their keys. Pending is how many more
	// it selects that the controller has not looked at yet.
	Targets []*v1alpha1.TenantBudget
	Pending int
	// CrowdedOut are the Targets that get none of this policy's limits, because older policies have
	// as many as a tenant may have.
	CrowdedOut []*v1alpha1.TenantBudget
}

// LeftOut says why tenants have none of the policy's limits; empty when all have.
func (p RateLimitPolicy) LeftOut() string {
	if len(p.CrowdedOut) == 0 {
		return ""
	}
	return fmt.Sprintf("these limits do not apply to some TenantBudgets, which would have more than %d limits of policies from their own "+
		"namespace, or from other namespaces; older policies come first: %s", limiterv1.MaxRates, Some(p.CrowdedOut))
}

// DecideRateLimitPolicy decides whether the policy is valid and has a target that is in
// force.
func DecideRateLimitPolicy(ctx context.Context, reader client.Reader, policy *v1alpha1.RateLimitPolicy) (RateLimitPolicy, error) {
	if policy.Spec.TargetSelector != nil {
		return ofSelecting(ctx, reader, policy)
	}
	if policy.Spec.TargetRef == nil {
		return RateLimitPolicy{Decision: rejected(v1alpha1.ReasonInvalid, field.Required(field.NewPath("spec", "targetRef"),
			"must set exactly one of targetRef and targetSelector"))}, nil
	}
	path := field.NewPath("spec", "targetRef", "name")
	key := types.NamespacedName{Namespace: policy.Namespace, Name: policy.Spec.TargetRef.Name}
	budget, rejection, err := target(ctx, reader, key, path)
	if err != nil {
		return RateLimitPolicy{}, err
	}
	var decided RateLimitPolicy
	if budget != nil {
		decided.Tenant = budget.Spec.Tenant
	}
	_, errs := compile.Policy(policy, policy.Namespace)
	switch {
	case len(errs) > 0: // What is wrong with the policy itself comes first.
		decided.Decision = invalid(errs)
	case rejection != nil:
		decided.Decision = *rejection
	default:
		decided.Verdict = TargetVerdict(budget, path)
	}
	if decided.Holds() {
		decided.Targets = []*v1alpha1.TenantBudget{budget}
		decided.CrowdedOut, err = crowdedOut(ctx, reader, policy, decided.Targets)
	}
	return decided, err
}

// ofSelecting decides on a policy that selects its targets. It is accepted if one of
// them is: a budget that is not accepted, which may be anybody's, must not keep the
// policy from the others.
func ofSelecting(ctx context.Context, reader client.Reader, policy *v1alpha1.RateLimitPolicy) (RateLimitPolicy, error) {
	path := field.NewPath("spec", "targetSelector")
	if _, errs := compile.Policy(policy, policy.Namespace); len(errs) > 0 {
		return RateLimitPolicy{Decision: invalid(errs)}, nil
	}
	may, err := reach.MaySelect(policy, labelsIn(ctx, reader))
	if err != nil {
		return RateLimitPolicy{}, err
	}
	if !may {
		return RateLimitPolicy{Decision: rejected(v1alpha1.ReasonNamespaceNotDelegated, field.Forbidden(path.Child("namespaces", "from"),
			fmt.Sprintf("must be %s, unless the namespace, %q, is labelled %s=true",
				v1alpha1.NamespacesSame, policy.Namespace, v1alpha1.DelegatedLabel)))}, nil
	}
	selected, err := Selected(ctx, reader, policy)
	if err != nil {
		return RateLimitPolicy{}, err
	}
	decided := judge(selected, path)
	if decided.Holds() {
		decided.CrowdedOut, err = crowdedOut(ctx, reader, policy, decided.Targets)
	}
	return decided, err
}

// judge decides on a policy by the budgets that its selector, at path, selects.
func judge(selected []*v1alpha1.TenantBudget, path *field.Path) RateLimitPolicy {
	slices.SortFunc(selected, func(a, b *v1alpha1.TenantBudget) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	var decided RateLimitPolicy
	var worse []*v1alpha1.TenantBudget
	for _, budget := range selected {
		switch its := TargetVerdict(budget, path); {
		case its.Holds():
			decided.Targets = append(decided.Targets, budget)
		case its.Status == metav1.ConditionUnknown:
			decided.Pending++
		default:
			worse = append(worse, budget)
		}
	}
	switch {
	case len(selected) == 0:
		decided.Decision = rejected(v1alpha1.ReasonTargetNotFound,
			field.Invalid(path, field.OmitValueType{}, "no TenantBudget in the selected namespaces has these labels"))
	case len(decided.Targets) > 0:
		decided.Decision = accepted()
		if len(worse) > 0 {
			decided.Message = "valid; these selected TenantBudgets are not accepted and keep their last accepted configuration: " + Some(worse)
		}
	case decided.Pending > 0:
		decided.Verdict = verdict.Verdict{Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonTargetNotAccepted,
			Message: field.Invalid(path, "", "no selected TenantBudget is accepted yet: they are waiting for the controller").Error()}
	default:
		decided.Verdict = verdict.Rejected(v1alpha1.ReasonTargetNotAccepted,
			field.Invalid(path, "", "no selected TenantBudget is accepted: "+Some(worse)).Error())
	}
	return decided
}

// crowdedOut are those of a policy's targets whose older policies have as many limits as a tenant
// may have.
func crowdedOut(
	ctx context.Context, reader client.Reader, policy *v1alpha1.RateLimitPolicy, targets []*v1alpha1.TenantBudget,
) ([]*v1alpha1.TenantBudget, error) {
	isCrowdedHere, isCrowdedBeyond := true, false // the policies of one named target are few
	if selector := policy.Spec.TargetSelector; selector != nil {
		// Where all rivals together have few limits, as nearly always, no target need be looked at.
		var err error
		if isCrowdedHere, err = isCrowded(ctx, reader, policy, client.InNamespace(policy.Namespace)); err != nil {
			return nil, err
		}
		if selector.ReachesBeyond() {
			isCrowdedBeyond, err = isCrowded(ctx, reader, policy, client.MatchingFields{index.PolicySelects: index.Beyond})
			if err != nil {
				return nil, err
			}
		}
	}
	var crowdedOut []*v1alpha1.TenantBudget
	for _, budget := range targets {
		if isHere := budget.Namespace == policy.Namespace; isHere && !isCrowdedHere || !isHere && !isCrowdedBeyond {
			continue
		}
		policies, err := policiesOf(ctx, reader, budget)
		if err != nil {
			return nil, err
		}
		isIt := func(p v1alpha1.RateLimitPolicy) bool { return p.UID == policy.UID }
		// The policy may be about to be created, or changed.
		policies = append(slices.DeleteFunc(policies, isIt), *policy)
		if !slices.ContainsFunc(compile.Applying(budget.Namespace, policies), isIt) {
			crowdedOut = append(crowdedOut, budget)
		}
	}
	return crowdedOut, nil
}

// isCrowded reports whether a policy and its older rivals, which the option lists, have more limits
// together than a tenant may have.
func isCrowded(ctx context.Context, reader client.Reader, policy *v1alpha1.RateLimitPolicy, where client.ListOption) (bool, error) {
	var rivals v1alpha1.RateLimitPolicyList
	err := reader.List(ctx, &rivals, client.UnsafeDisableDeepCopy, where)
	together := len(policy.Spec.Limits)
	for i := range rivals.Items {
		if rival := &rivals.Items[i]; rival.UID != policy.UID && precedence.Compare(rival, policy) < 0 {
			together += len(rival.Spec.Limits)
		}
	}
	return together > limiterv1.MaxRates, err
}

// Some names some of the budgets, and says how many more there are.
func Some(budgets []*v1alpha1.TenantBudget) string {
	var keys []string
	for _, budget := range budgets {
		keys = append(keys, index.KeyOf(budget))
	}
	return verdict.Some(keys, 3)
}
