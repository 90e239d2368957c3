package webhook

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
)

//+kubebuilder:webhook:path=/validate-bursar-dev-v1alpha1-membership,mutating=false,failurePolicy=ignore,sideEffects=None,timeoutSeconds=3,groups=bursar.dev,versions=v1alpha1,resources=memberships,verbs=create;update,name=memberships.bursar.dev,admissionReviewVersions=v1,serviceName=bursar-webhook,serviceNamespace=bursar-system,patch=`{"matchConditions":[{"name":"spec-is-new","expression":"request.operation == 'CREATE' || object.spec != oldObject.spec"}]}`

type memberships struct{ reader client.Reader }

func (memberships) kind() string { return "Membership" }

func (memberships) spec(membership *v1alpha1.Membership) any { return membership.Spec }

func (m memberships) decide(ctx context.Context, membership *v1alpha1.Membership) (acceptance.Decision, error) {
	decided, err := acceptance.DecideMembership(ctx, m.reader, membership)
	return decided.Decision, err
}

func (memberships) warn(context.Context, *v1alpha1.Membership, *v1alpha1.Membership) []string {
	return nil
}
