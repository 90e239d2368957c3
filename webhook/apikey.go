package webhook

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/acceptance"
)

//+kubebuilder:webhook:path=/validate-bursar-dev-v1alpha1-apikey,mutating=false,failurePolicy=ignore,sideEffects=None,timeoutSeconds=3,groups=bursar.dev,versions=v1alpha1,resources=apikeys,verbs=create;update,name=apikeys.bursar.dev,admissionReviewVersions=v1,serviceName=bursar-webhook,serviceNamespace=bursar-system,patch=`{"matchConditions":[{"name":"spec-is-new","expression":"request.operation == 'CREATE' || object.spec != oldObject.spec"}]}`

type apiKeys struct{ reader client.Reader }

func (apiKeys) kind() string { return "APIKey" }

func (apiKeys) spec(key *v1alpha1.APIKey) any { return key.Spec }

func (k apiKeys) decide(ctx context.Context, key *v1alpha1.APIKey) (acceptance.Decision, error) {
	decided, err := acceptance.OfAPIKey(ctx, k.reader, key)
	return decided.Decision, err
}

func (apiKeys) warn(_ context.Context, _, key *v1alpha1.APIKey) []string {
	if expiry := key.Spec.ExpiresAt; expiry != nil && expiry.Time.Before(time.Now()) {
		return []string{"spec.expiresAt: " + expiry.UTC().Format(time.RFC3339) + " is over: calls with the key are refused"}
	}
	return nil
}
