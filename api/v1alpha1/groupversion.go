package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of the resources in this package.
var GroupVersion = schema.GroupVersion{Group: "bursar.dev", Version: "v1alpha1"}

// SchemeGroupVersion is GroupVersion under the name that generated code expects.
var SchemeGroupVersion = GroupVersion

var (
	schemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)
	// AddToScheme adds the resources in this package to a scheme.
	AddToScheme = schemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&TenantBudget{}, &TenantBudgetList{},
		&RateLimitPolicy{}, &RateLimitPolicyList{},
		&ModelProvider{}, &ModelProviderList{},
		&APIKey{}, &APIKeyList{},
		&BudgetGrant{}, &BudgetGrantList{},
		&IdentityProvider{}, &IdentityProviderList{},
		&Membership{}, &MembershipList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
