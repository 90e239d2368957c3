package v1alpha1

// ActFor is whom of its tenant a credential may call for, beside its own user. It suits a server that knows its users itself and calls with one credential.
type ActFor struct {
	// users are the users that the header X-Bursar-User may name: a name, or a pattern in which one "*" stands for any text, such as "*@acme.example" or "shop-*". "*", alone, allows all. They are users of this tenant alone: a user named here and one of the same name by APIKey or token are one user.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[\\\\w.@+-]*[*]?[\\\\w.@+-]*$')",message="must be the name of a user, with one \"*\" at most, such as \"*@acme.example\" or \"shop-*\""
	// +listType=set
	// +required
	Users []string `json:"users"`
	// tiers are the tiers that the header X-Bursar-Tier may name, beside the credential's own, which a user has whose tier is not named. Unset: no other.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Tiers []Tier `json:"tiers,omitempty"`
	// groups are the groups that the header X-Bursar-Groups may name, with commas between them, beside the credential's own, in which every user is: a name, or a pattern in which one "*" stands for any text, such as "team-*". Unset: no other.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[\\\\w.-]*[*]?[\\\\w.-]*$')",message="must be the name of a group, with one \"*\" at most, such as \"research\" or \"team-*\""
	// +listType=set
	// +optional
	Groups []string `json:"groups,omitempty"`
}
