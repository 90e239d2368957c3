package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BudgetGrant adds to a limit of a TenantBudget in the same namespace, for a limited time and a stated reason. It cannot be changed; delete it to take it back.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=grant,categories=bursar
// +kubebuilder:printcolumn:name="Budget",type=string,JSONPath=`.spec.budgetRef.name`
// +kubebuilder:printcolumn:name="Limit",type=string,JSONPath=`.spec.limit`
// +kubebuilder:printcolumn:name="User",type=string,JSONPath=`.spec.user`
// +kubebuilder:printcolumn:name="Amount",type=string,JSONPath=`.spec.amount`,description="What the grant adds to the limit, in US dollars or the budget's currency"
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.spec.expiresAt`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`,description="Pending, Active or Expired"
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].status`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type BudgetGrant struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what is granted. It cannot be changed.
	// +required
	Spec BudgetGrantSpec `json:"spec"`
	// status is the last observed state.
	// +kubebuilder:default={conditions: {{type: "Reconciling", status: "True", reason: "Pending", message: "waiting for the controller", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	// +optional
	Status BudgetGrantStatus `json:"status,omitempty"`
}

// GetProgrammedStatus returns the part of the status that all kinds share.
func (g *BudgetGrant) GetProgrammedStatus() *ProgrammedStatus { return &g.Status.ProgrammedStatus }

// IsExpired reports whether the grant has been observed to be over.
func (g *BudgetGrant) IsExpired() bool {
	return meta.IsStatusConditionTrue(g.Status.Conditions, ConditionExpired)
}

// IsRecorded reports whether the grant has been observed to be on record in Postgres.
func (g *BudgetGrant) IsRecorded() bool {
	return meta.IsStatusConditionTrue(g.Status.Conditions, ConditionRecorded)
}

// BudgetGrantList is a list of BudgetGrants.
//
// +kubebuilder:object:root=true
type BudgetGrantList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []BudgetGrant `json:"items"`
}

// BudgetGrantSpec says how much is granted, to whom, why and for how long.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="cannot be changed, because a grant is a record: delete it to take it back, and create another"
// +kubebuilder:validation:XValidation:rule="!has(self.startsAt) || self.startsAt < self.expiresAt",message="must be after startsAt",fieldPath=".expiresAt"
// +kubebuilder:validation:XValidation:rule="[has(self.user), has(self.group), has(self.apiKey)].filter(set, set).size() <= 1",message="must set at most one of user, group and apiKey"
type BudgetGrantSpec struct {
	// budgetRef names the TenantBudget in this namespace whose limit is raised.
	// +required
	BudgetRef BudgetRef `json:"budgetRef"`
	// limit is the name of a limit in the budget's spec.limits.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be the name of a limit of the budget, such as \"daily\""
	// +required
	Limit string `json:"limit"`
	// user is the user whose limit is raised, if the limit has per: User. Unset: every user.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9][A-Za-z0-9._@+-]*$')",message="must be the user of an APIKey: letters, digits and . _ @ + -, such as \"gerente-1\" or \"reports@example.com\""
	// +optional
	User string `json:"user,omitempty"`
	// group is the group whose limit is raised, if the limit has per: Group. Unset: every group.
	// +optional
	Group Group `json:"group,omitempty"`
	// apiKey is the name of the APIKey in this namespace whose limit is raised, if the limit has per: Key. Unset: every APIKey.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')",message="must be the name of an APIKey"
	// +optional
	APIKey string `json:"apiKey,omitempty"`
	// amount is added to the limit, in US dollars, or in the budget's currency if it has one. It is added in every period while the grant is active: a daily limit gets it again each day. Several grants add up, and the rungs of the ladder are percentages of the sum. A limit with its grants is at most 9000000 dollars.
	// +kubebuilder:validation:XValidation:rule="!self.matches('^0+(\\\\.0+)?$')",message="must be more than 0"
	// +required
	Amount Amount `json:"amount"`
	// reason says why more is granted, for the record.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('[^\\\\s]')",message="must say why more is granted"
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^\\\\p{Cc}]*$')",message="must be one line without control characters"
	// +required
	Reason string `json:"reason"`
	// startsAt is when the grant becomes active. Unset: at once.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:MaxLength=64
	// +optional
	StartsAt *metav1.Time `json:"startsAt,omitempty"`
	// expiresAt is when the grant ends, by the clock of Redis, whether or not the manager is running. What was spent until then stays spent, even if it exceeds the limit without the grant.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:MaxLength=64
	// +required
	ExpiresAt metav1.Time `json:"expiresAt"`
}

// GrantState says whether a grant counts.
//
// +kubebuilder:validation:Enum=Pending;Active;Expired
type GrantState string

// The states of a grant.
const (
	// GrantPending is a grant that does not count yet.
	GrantPending GrantState = "Pending"
	// GrantActive is a grant that counts.
	GrantActive GrantState = "Active"
	// GrantExpired is a grant that no longer counts. It is kept as a record.
	GrantExpired GrantState = "Expired"
)

// BudgetGrantStatus is the observed state of a BudgetGrant.
type BudgetGrantStatus struct {
	ProgrammedStatus `json:",inline"`

	// state is Pending until the grant is programmed and its startsAt has come, Active from then on, and Expired from expiresAt on.
	// +optional
	State GrantState `json:"state,omitempty"`
}
