package webhook

import (
	"context"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/acceptance"
)

//+kubebuilder:webhook:path=/validate-bursar-dev-v1alpha1-ratelimitpolicy,mutating=false,failurePolicy=ignore,sideEffects=None,timeoutSeconds=3,groups=bursar.dev,versions=v1alpha1,resources=ratelimitpolicies,verbs=create;update,name=ratelimitpolicies.bursar.dev,admissionReviewVersions=v1,serviceName=bursar-webhook,serviceNamespace=bursar-system,patch=`{"matchConditions":[{"name":"spec-is-new","expression":"request.operation == 'CREATE' || object.spec != oldObject.spec"}]}`

type rateLimitPolicies struct{ reader client.Reader }

func (rateLimitPolicies) kind() string { return "RateLimitPolicy" }

func (rateLimitPolicies) spec(policy *v1alpha1.RateLimitPolicy) any { return policy.Spec }

func (p rateLimitPolicies) decide(ctx context.Context, policy *v1alpha1.RateLimitPolicy) (acceptance.Decision, error) {
	decided, err := acceptance.OfRateLimitPolicy(ctx, p.reader, policy)
	return decided.Decision, err
}

func (p rateLimitPolicies) warn(ctx context.Context, _, policy *v1alpha1.RateLimitPolicy) []string {
	var named []namedModel
	for i, limit := range policy.Spec.Limits {
		named = append(named, modelsAt(field.NewPath("spec", "limits").Index(i).Child("models"), limit.Models)...)
	}
	return unknown(ctx, p.reader, named)
}
