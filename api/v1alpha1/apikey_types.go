package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// APIKey says whose calls a key's are. It holds the key's hash alone, so that it
// can live in Git.
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

	// spec is whose key it is.
	// +required
	Spec APIKeySpec `json:"spec"`
	// status is what is so.
	// +kubebuilder:default={conditions: {{type: "Reconciling", status: "True", reason: "Pending", message: "nobody has looked at it yet", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	// +optional
	Status APIKeyStatus `json:"status,omitempty"`
}

// Programming is the part of the status that every kind has.
func (k *APIKey) Programming() *ProgrammedStatus { return &k.Status.ProgrammedStatus }

// APIKeyList is a list of APIKeys.
//
// +kubebuilder:object:root=true
type APIKeyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []APIKey `json:"items"`
}

// APIKeySpec is whose key it is.
type APIKeySpec struct {
	// sha256 is the SHA-256 of the key in lower-case hexadecimal, as printed by
	// `printf %s "$KEY" | sha256sum`. Make keys of at least 128 random bits: the
	// hash of a guessable key is no secret. It cannot be changed.
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9a-f]{64}$')",message="must be the SHA-256 of the key: 64 lower-case hexadecimal digits"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="cannot be changed: create another APIKey for another key, and delete this one"
	// +required
	SHA256 string `json:"sha256"`
	// budgetRef names the TenantBudget, in the same namespace, whose tenant pays. While
	// there is none of the name, calls with the key are refused; that of another name,
	// which it named before, has nothing to do with it any more.
	// +required
	BudgetRef BudgetRef `json:"budgetRef"`
	// user is who calls with the key: what per: User limits and the ledger go by.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9][A-Za-z0-9._@+-]*$')",message="must be letters, digits and . _ @ + -, such as \"gerente-1\" or \"reports@example.com\""
	// +required
	User string `json:"user"`
	// tier is the user's tier, which rate limits may select by.
	// +required
	Tier Tier `json:"tier"`
	// expiresAt is when the key stops working. Absent means never.
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`
}

// BudgetRef names a TenantBudget of the same namespace.
type BudgetRef struct {
	// name is the TenantBudget's name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
}

// APIKeyStatus is the observed state of an APIKey.
type APIKeyStatus struct {
	ProgrammedStatus `json:",inline"`
}
