package acceptance

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/compile"
	"github.com/bursar-dev/bursar/controllers/conditions"
)

// RateLimitPolicy is what was decided of a RateLimitPolicy.
type RateLimitPolicy struct {
	Decision
	// Tenant is that of the target; empty when there is no target.
	Tenant string
}

// OfRateLimitPolicy decides whether the policy is valid and has a target that is in
// force.
func OfRateLimitPolicy(ctx context.Context, reader client.Reader, policy *v1alpha1.RateLimitPolicy) (RateLimitPolicy, error) {
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
	_, errs := compile.Policy(policy)
	switch {
	case len(errs) > 0: // What is wrong with the policy itself comes first.
		decided.Decision = invalid(errs)
	case rejection != nil:
		decided.Decision = *rejection
	default:
		decided.Verdict = conditions.OfTarget(budget, path)
	}
	return decided, nil
}
