package v1alpha1

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// APIKey says which user calls with a key, and which budget pays. It holds only the hash of the key, so it can live in Git.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=apikeys,shortName=key,categories=bursar
// +kubebuilder:printcolumn:name="Budget",type=string,JSONPath=`.spec.budgetRef.name`
// +kubebuilder:printcolumn:name="User",type=string,JSONPath=`.spec.user`
// +kubebuilder:printcolumn:name="Tier",type=string,JSONPath=`.spec.tier`
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.spec.expiresAt`
// +kubebuilder:printcolumn:name="Last Used",type=date,JSONPath=`.status.lastUsedTime`
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].status`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type APIKey struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired state: whose key it is, which budget pays, and when the key expires.
	// +required
	Spec APIKeySpec `json:"spec"`
	// status is the last observed state.
	// +kubebuilder:default={conditions: {{type: "Reconciling", status: "True", reason: "Pending", message: "waiting for the controller", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	// +optional
	Status APIKeyStatus `json:"status,omitempty"`
}

// GetProgrammedStatus returns the part of the status that all kinds share.
func (k *APIKey) GetProgrammedStatus() *ProgrammedStatus { return &k.Status.ProgrammedStatus }

// Hashes returns the hashes of its keys: of the key in force, and of the keys that it has replaced.
func (k *APIKey) Hashes() []string {
	hashes := []string{k.Spec.SHA256}
	for _, previous := range k.Spec.PreviousKeys {
		hashes = append(hashes, previous.SHA256)
	}
	return hashes
}

// MaxPreviousKeys is the maximum number of replaced keys that an APIKey lists.
const MaxPreviousKeys = 8

// ReplaceKey puts the key with this hash in force. The key before it works on for the overlap, and
// previous keys that have expired are dropped. It returns when the key before it expires; or false,
// and changes nothing, if MaxPreviousKeys previous keys still work.
func (s *APIKeySpec) ReplaceKey(hash string, overlap time.Duration, now time.Time) (until metav1.Time, ok bool) {
	working := slices.DeleteFunc(slices.Clone(s.PreviousKeys), func(k PreviousKey) bool { return !k.ExpiresAt.After(now) })
	if len(working) >= MaxPreviousKeys {
		return metav1.Time{}, false
	}
	until = metav1.NewTime(now.Add(overlap).UTC().Truncate(time.Second))
	s.PreviousKeys = append([]PreviousKey{{SHA256: s.SHA256, ExpiresAt: until}}, working...)
	s.SHA256 = hash
	return until, true
}

// APIKeyList is a list of APIKeys.
//
// +kubebuilder:object:root=true
type APIKeyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []APIKey `json:"items"`
}

// APIKeySpec says whose key it is, which budget pays, and when the key expires.
//
// +kubebuilder:validation:XValidation:rule="!has(self.previousKeys) || self.previousKeys.all(previous, previous.sha256 != self.sha256)",message="must not have the hash in sha256: that key works already",fieldPath=".previousKeys"
// +kubebuilder:validation:XValidation:rule="self.sha256 == oldSelf.sha256 || has(self.previousKeys) && self.previousKeys.exists(previous, previous.sha256 == oldSelf.sha256)",message="replaces the key: add the previous hash to previousKeys, with the time until which it works, or a time in the past to end it at once",fieldPath=".sha256"
type APIKeySpec struct {
	// sha256 is the SHA-256 of the key in lower-case hexadecimal, as printed by `printf %s "$KEY" | sha256sum`. To replace the key, write the hash of the new key here and move the old hash to previousKeys, as `kubectl budget key rotate` does.
	//
	// Make keys with `kubectl budget key create`. Such a key is bursar_NAMESPACE_ followed by 64 random hexadecimal digits, and works only in an APIKey in the namespace that it names. Any other key must have at least 128 random bits, because a guessable key can be found from its hash. Such a key works only while its hash is registered in a single namespace: if anyone registers the same hash in another namespace, the key works in neither.
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9a-f]{64}$')",message="must be the SHA-256 of the key: 64 lower-case hexadecimal digits"
	// +required
	SHA256 string `json:"sha256"`
	// previousKeys are the keys that the key in sha256 has replaced. Each works until its expiresAt, as the same user and against the same limits, so that a key can be replaced without a refused call. A key that is removed from the list stops working. Unset: none.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +listType=map
	// +listMapKey=sha256
	// +optional
	PreviousKeys []PreviousKey `json:"previousKeys,omitempty"`
	// budgetRef names the TenantBudget in this namespace that pays. Calls are refused while no budget has this name. After a change, the previous budget is no longer charged.
	// +required
	BudgetRef BudgetRef `json:"budgetRef"`
	// user is the user who calls with the key. Limits with per: User count by it, and the ledger records it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9][A-Za-z0-9._@+-]*$')",message="must be letters, digits and . _ @ + -, such as \"gerente-1\" or \"reports@example.com\""
	// +required
	User string `json:"user"`
	// tier is the user's tier. Money limits and rate limits may select users by tier.
	// +required
	Tier Tier `json:"tier"`
	// groups are the groups of the tenant, such as teams or projects, that calls with the key belong to. Limits may select calls by group, and count each group separately. Unset: none.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Groups []GivenGroup `json:"groups,omitempty"`
	// labels are labels of calls with the key, such as a cost centre. Limits may select calls by label, and the ledger records the labels. Unset: none.
	// +optional
	Labels CallerLabels `json:"labels,omitempty"`
	// models are the models that callers with the key may ask for. Each entry is a name, or a pattern in which a single "*" matches any text, such as "gpt-4o*". A call for any other model is refused with 403 model_forbidden, and the list of models does not show it. A model that is called in place of the requested one, by the tenant's virtualModels, a Downgrade rung or a fallback, need not be listed. Unset: all models.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^([A-Za-z0-9@~][A-Za-z0-9._:/@~-]*|([A-Za-z0-9@~][A-Za-z0-9._:/@~-]*)?[*][A-Za-z0-9._:/@~-]*)$')",message="must be the name of a model, with one \"*\" at most, such as \"gpt-4o-mini\" or \"gpt-4o*\""
	// +listType=set
	// +optional
	Models []string `json:"models,omitempty"`
	// actFor says whom of the tenant callers with the key may act for. A request says whose call it is in the headers X-Bursar-User, X-Bursar-Tier and X-Bursar-Groups. Limits count for the user in the header, and the ledger records both users. Unset: nobody, and the headers are ignored.
	// +optional
	ActFor *ActFor `json:"actFor,omitempty"`
	// expiresAt is when the key stops working. Keys in previousKeys stop working then at the latest. Unset: never.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:MaxLength=64
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`
}

// PreviousKey is a key that was replaced.
type PreviousKey struct {
	// sha256 is the SHA-256 of the key in lower-case hexadecimal.
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9a-f]{64}$')",message="must be the SHA-256 of the key: 64 lower-case hexadecimal digits"
	// +required
	SHA256 string `json:"sha256"`
	// expiresAt is when the key stops working.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:MaxLength=64
	// +required
	ExpiresAt metav1.Time `json:"expiresAt"`
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
	// lastUsedTime is the hour, in UTC, in which any of the keys was last used, whether the call was made or refused. It is updated within half an hour, or later if thousands of keys are used in the same hour. Unset: no use has been recorded.
	// +optional
	LastUsedTime *metav1.Time `json:"lastUsedTime,omitempty"`
	// keys are the keys that enforcers know: the key in sha256 and those in previousKeys, including expired ones.
	// +listType=map
	// +listMapKey=sha256
	// +optional
	Keys []KeyStatus `json:"keys,omitempty"`
}

// KeyStatus is the observed state of one key.
type KeyStatus struct {
	// sha256 is the hash of the key.
	SHA256 string `json:"sha256"`
	// lastUsedTime is the hour, in UTC, in which the key was last used. Unset: no use has been recorded.
	// +optional
	LastUsedTime *metav1.Time `json:"lastUsedTime,omitempty"`
}
