package webhook

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/analysis"
)

//+kubebuilder:webhook:path=/validate-bursar-dev-v1alpha1-membership,mutating=false,failurePolicy=ignore,sideEffects=None,timeoutSeconds=3,groups=bursar.dev,versions=v1alpha1,resources=memberships,verbs=create;update;delete,name=memberships.bursar.dev,admissionReviewVersions=v1,serviceName=bursar-webhook,serviceNamespace=bursar-system,patch=`{"matchConditions":[{"name":"spec-is-new","expression":"request.operation != 'UPDATE' || object.spec != oldObject.spec"}]}`

type memberships struct {
	reader   client.Reader
	analyzer *analysis.Analyzer
}

func (memberships) kind() string { return "Membership" }

func (memberships) spec(membership *v1alpha1.Membership) any { return membership.Spec }

func (m memberships) decide(ctx context.Context, membership *v1alpha1.Membership) (acceptance.Decision, error) {
	decided, err := acceptance.DecideMembership(ctx, m.reader, membership)
	return decided.Decision, err
}

func (m memberships) warn(ctx context.Context, _, is *v1alpha1.Membership) []string {
	found, err := m.analyzer.Membership(ctx, is)
	return possibleMistakes(ctx, found, err)
}
