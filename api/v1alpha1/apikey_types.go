package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// APIKey says who calls with a key, and which budget pays. It holds only the hash of the key, so it can live in Git.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=apikeys,shortName=key,categories=bursar
// +kubebuilder:printcolumn:name="Budget",type=string,JSONPath=`.spec.budgetRef.name`
// +kubebuilder:printcolumn:name="User",type=string,JSONPath=`.spec.user`
// +kubebuilder:printcolumn:name="Tier",type=string,JSONPath=`.spec.tier`
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.spec.expiresAt`
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].status`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type APIKey struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the owner of the key, and when it expires.
	// +required
	Spec APIKeySpec `json:"spec"`
	// status is the last observed state.
	// +kubebuilder:default={conditions: {{type: "Reconciling", status: "True", reason: "Pending", message: "waiting for the controller", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	// +optional
	Status APIKeyStatus `json:"status,omitempty"`
}

// GetProgrammedStatus returns the part of the status that all kinds share.
func (k *APIKey) GetProgrammedStatus() *ProgrammedStatus { return &k.Status.ProgrammedStatus }

// APIKeyList is a list of APIKeys.
//
// +kubebuilder:object:root=true
type APIKeyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []APIKey `json:"items"`
}

// APIKeySpec is the owner of a key, and when it expires.
type APIKeySpec struct {
	// sha256 is the SHA-256 of the key in lower-case hexadecimal, as printed by `printf %s "$KEY" | sha256sum`. It cannot be changed.
	//
	// Make keys with `kubectl budget key create`: they are bursar_NAMESPACE_ and 64 random hexadecimal digits, and work only in an APIKey in the namespace that they name. Any other key must have at least 128 random bits, because a guessable key can be found from its hash. It works while its hash is registered in one namespace only: if anyone registers the same hash in another namespace, the key works in neither.
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9a-f]{64}$')",message="must be the SHA-256 of the key: 64 lower-case hexadecimal digits"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="cannot be changed: create another APIKey for another key, and delete this one"
	// +required
	SHA256 string `json:"sha256"`
	// budgetRef names the TenantBudget in this namespace that pays. Calls are refused while no budget has this name. After a change, the previous budget is no longer charged.
	// +required
	BudgetRef BudgetRef `json:"budgetRef"`
	// user is who calls with the key. Limits with per: User count by it, and the ledger records it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9][A-Za-z0-9._@+-]*$')",message="must be letters, digits and . _ @ + -, such as \"gerente-1\" or \"reports@example.com\""
	// +required
	User string `json:"user"`
	// tier is the user's tier. Money limits and rate limits may select users by tier.
	// +required
	Tier Tier `json:"tier"`
	// expiresAt is when the key stops working. Unset: never.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:MaxLength=64
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`
}

// BudgetRef names a TenantBudget in the same namespace.
type BudgetRef struct {
	// name is the name of the TenantBudget.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')",message="must be the name of a TenantBudget"
	// +required
	Name string `json:"name"`
}

// APIKeyStatus is the observed state of an APIKey.
type APIKeyStatus struct {
	ProgrammedStatus `json:",inline"`
}
