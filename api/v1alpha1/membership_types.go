package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Membership says which users of an IdentityProvider belong to a tenant. Several Memberships of a tenant add up.
//
// A caller is looked up in all Memberships of the tenant: first by subject, then by verified e-mail address, then by group. If several name the caller in the same way, the first Membership by name counts and, within it, the first member.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=memberships,shortName=member,categories=bursar
// +kubebuilder:printcolumn:name="Budget",type=string,JSONPath=`.spec.budgetRef.name`
// +kubebuilder:printcolumn:name="Identity Provider",type=string,JSONPath=`.spec.identityProviderRef.name`
// +kubebuilder:printcolumn:name="Members",type=integer,JSONPath=`.status.members`
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].status`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Membership struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired state: the members.
	// +required
	Spec MembershipSpec `json:"spec"`
	// status is the last observed state.
	// +kubebuilder:default={conditions: {{type: "Reconciling", status: "True", reason: "Pending", message: "waiting for the controller", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	// +optional
	Status MembershipStatus `json:"status,omitempty"`
}

// GetProgrammedStatus returns the part of the status that all kinds share.
func (m *Membership) GetProgrammedStatus() *ProgrammedStatus { return &m.Status.ProgrammedStatus }

// MembershipList is a list of Memberships.
//
// +kubebuilder:object:root=true
type MembershipList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Membership `json:"items"`
}

// MembershipSpec says which users of an IdentityProvider belong to a tenant.
type MembershipSpec struct {
	// budgetRef names the TenantBudget in this namespace whose tenant the members belong to. That budget pays for their calls. While no budget has this name, nobody is a member.
	// +required
	BudgetRef BudgetRef `json:"budgetRef"`
	// identityProviderRef names the IdentityProvider whose tokens the members call with. Its allowedMemberships must allow this namespace to name these members. It cannot be changed.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="cannot be changed: create another Membership for another IdentityProvider, and delete this one"
	// +required
	IdentityProviderRef IdentityProviderRef `json:"identityProviderRef"`
	// members lists the members, each by subject, verified e-mail address or group. No two entries may name the same one. For more than 1000 members, use several Memberships.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1000
	// +listType=atomic
	// +required
	Members []Member `json:"members"`
}

// IdentityProviderRef names an IdentityProvider.
type IdentityProviderRef struct {
	// name is the name of the IdentityProvider.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')",message="must be the name of an IdentityProvider"
	// +required
	Name string `json:"name"`
}

// Member is one member of a tenant, or everyone in a group.
//
// +kubebuilder:validation:XValidation:rule="[has(self.subject), has(self.email), has(self.group)].filter(set, set).size() == 1",message="must set one of subject, email and group"
// +kubebuilder:validation:XValidation:rule="!has(self.user) || !has(self.group)",message="must not be set with group: all members of the group would be one user",fieldPath=".user"
type Member struct {
	// subject is the sub claim of the member's tokens. It is the safest way to name a member, because an issuer never gives it to anyone else. Exactly one of subject, email and group must be set.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^\\\\p{Cc}]+$')",message="must not contain control characters"
	// +optional
	Subject string `json:"subject,omitempty"`
	// email is the email claim of the member's tokens, in upper or lower case. It counts only if the email_verified claim is true. Exactly one of subject, email and group must be set.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=254
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9.!#$%&\\'+/=?^_`{|}~-]+@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$')",message="must be an e-mail address, such as \"ana@acme.example\""
	// +optional
	Email string `json:"email,omitempty"`
	// group is a group, as claimMappings.groups of the IdentityProvider gives it. Everyone in the group is a member. Exactly one of subject, email and group must be set.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^\\\\p{Cc}]+$')",message="must not contain control characters"
	// +optional
	Group string `json:"group,omitempty"`
	// user is the user that the member's calls count for. Limits with per: User count by it, and the ledger records it. Not allowed with group. Unset: the user that claimMappings.user of the IdentityProvider gives.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9][A-Za-z0-9._@+-]*$')",message="must be letters, digits and . _ @ + -, such as \"gerente-1\" or \"reports@example.com\""
	// +optional
	User string `json:"user,omitempty"`
	// tier is the member's tier. Money limits and rate limits may select users by tier. Unset: the tier that claimMappings.tier of the IdentityProvider gives, if any.
	// +optional
	Tier Tier `json:"tier,omitempty"`
	// groups are the groups of the tenant that the member is in, such as teams or projects. Limits may select calls by group, and count each group separately. They are added to the groups of the token. Unset: none.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Groups []GivenGroup `json:"groups,omitempty"`
	// labels are the member's labels in the tenant, such as a cost centre. Limits may select calls by label, and the ledger records the labels. A label here overrides the label of the same name that claimMappings.labels of the IdentityProvider gives. Unset: none.
	// +optional
	Labels CallerLabels `json:"labels,omitempty"`
	// admin says whether the member administers the tenant, and so sees what all its users have spent. Default: false.
	// +optional
	Admin bool `json:"admin,omitempty"`
	// actFor says whom of the tenant the member may act for. A request says whose call it is in the headers X-Bursar-User, X-Bursar-Tier and X-Bursar-Groups. It suits the ServiceAccount of a server. Limits count for the user in the header, and the ledger records both users. Unset: nobody, and the headers are ignored.
	// +optional
	ActFor *ActFor `json:"actFor,omitempty"`
	// default says whether this tenant pays for the member's calls that do not name the tenant that pays. It matters only for a member of several tenants. Default: false.
	// +optional
	Default bool `json:"default,omitempty"`
}

// MembershipStatus is the observed state of a Membership.
type MembershipStatus struct {
	ProgrammedStatus `json:",inline"`
	// members is the number of members in force.
	// +optional
	Members int32 `json:"members,omitempty"`
}
