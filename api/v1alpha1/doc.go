// Package v1alpha1 is the API of group bursar.dev: the resources in which a
// platform team says what its tenants may spend on AI models, and how fast.
//
// A field stands here only when what it asks for is enforced.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +kubebuilder:ac:output:package=applyconfiguration
// +groupName=bursar.dev
package v1alpha1
