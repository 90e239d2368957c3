package webhook

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/index"
)

//+kubebuilder:webhook:path=/validate-bursar-dev-v1alpha1-identityprovider,mutating=false,failurePolicy=ignore,sideEffects=None,timeoutSeconds=3,groups=bursar.dev,versions=v1alpha1,resources=identityproviders,verbs=create;update;delete,name=identityproviders.bursar.dev,admissionReviewVersions=v1,serviceName=bursar-webhook,serviceNamespace=bursar-system,patch=`{"matchConditions":[{"name":"spec-is-new","expression":"request.operation != 'UPDATE' || object.spec != oldObject.spec"}]}`

type identityProviders struct{ reader client.Reader }

func (identityProviders) kind() string { return "IdentityProvider" }

func (identityProviders) spec(provider *v1alpha1.IdentityProvider) any { return provider.Spec }

func (p identityProviders) decide(ctx context.Context, provider *v1alpha1.IdentityProvider) (acceptance.Decision, error) {
	decided, err := acceptance.DecideIdentityProvider(ctx, p.reader, provider)
	return decided.Decision, err
}

// warn says how many members lose access by a change.
func (p identityProviders) warn(ctx context.Context, was, is *v1alpha1.IdentityProvider) []string {
	if was == nil {
		return nil
	}
	var named v1alpha1.MembershipList
	err := p.reader.List(ctx, &named, client.UnsafeDisableDeepCopy, client.MatchingFields{index.MembershipProvider: is.Name})
	if err != nil {
		return nil // the Memberships will say so themselves
	}
	memberships, members := 0, 0
	for i := range named.Items {
		lost, err := acceptance.LostMembers(ctx, p.reader, &named.Items[i], was, is)
		if err != nil {
			return nil
		}
		if lost > 0 {
			memberships, members = memberships+1, members+lost
		}
	}
	if members == 0 {
		return nil
	}
	return []string{fmt.Sprintf("spec.allowedMemberships: %d members, in %d Memberships, are no longer allowed and lose access", members, memberships)}
}
