package setup

import (
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// counted are the kinds whose objects are counted as metrics: those that the manager
// reconciles, and may list.
var counted = map[string]client.ObjectList{
	"TenantBudget":     &v1alpha1.TenantBudgetList{},
	"RateLimitPolicy":  &v1alpha1.RateLimitPolicyList{},
	"ModelProvider":    &v1alpha1.ModelProviderList{},
	"APIKey":           &v1alpha1.APIKeyList{},
	"BudgetGrant":      &v1alpha1.BudgetGrantList{},
	"IdentityProvider": &v1alpha1.IdentityProviderList{},
	"Membership":       &v1alpha1.MembershipList{},
}
