package webhook

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/analysis"
	"github.com/bursar-dev/bursar/controllers/rules/change"
)

//+kubebuilder:webhook:path=/validate-bursar-dev-v1alpha1-modelprovider,mutating=false,failurePolicy=ignore,sideEffects=None,timeoutSeconds=3,groups=bursar.dev,versions=v1alpha1,resources=modelproviders,verbs=create;update;delete,name=modelproviders.bursar.dev,admissionReviewVersions=v1,serviceName=bursar-webhook,serviceNamespace=bursar-system,patch=`{"matchConditions":[{"name":"spec-is-new","expression":"request.operation != 'UPDATE' || object.spec != oldObject.spec"}]}`

type modelProviders struct {
	reader   client.Reader
	analyzer *analysis.Analyzer
}

func (modelProviders) kind() string { return "ModelProvider" }

func (modelProviders) spec(provider *v1alpha1.ModelProvider) any { return provider.Spec }

func (m modelProviders) decide(ctx context.Context, provider *v1alpha1.ModelProvider) (acceptance.Decision, error) {
	decided, err := acceptance.DecideModelProvider(ctx, m.reader, provider)
	return decided.Decision, err
}

func (m modelProviders) warn(ctx context.Context, was, is *v1alpha1.ModelProvider) []string {
	found, err := m.analyzer.ModelProvider(ctx, is)
	warnings := append(change.Provider(was, is), change.Prices(was, is, time.Now())...)
	return append(warnings, possibleMistakes(ctx, found, err)...)
}
