package v1alpha1

// ActFor says which users, tiers and groups of its tenant a credential may act for, in addition to its own user. It suits a server that authenticates its users itself and calls with one credential.
type ActFor struct {
	// users are the users that the header X-Bursar-User may name. Each entry is a name, or a pattern in which a single "*" matches any text, such as "*@acme.example" or "shop-*". A lone "*" allows every user. They are users of this tenant only. A user named in the header is the same as a user of that name from an APIKey or a token.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[\\\\w.@+-]*[*]?[\\\\w.@+-]*$')",message="must be the name of a user, with one \"*\" at most, such as \"*@acme.example\" or \"shop-*\""
	// +listType=set
	// +required
	Users []string `json:"users"`
	// tiers are the tiers that the header X-Bursar-Tier may name, in addition to the credential's own. A call that names no tier has the credential's own. Unset: no other tier.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Tiers []Tier `json:"tiers,omitempty"`
	// groups are the groups that the header X-Bursar-Groups may name, separated by commas, in addition to the credential's own, which every user is in. Each entry is a name, or a pattern in which a single "*" matches any text, such as "team-*". Unset: no other group.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[\\\\w.-]*[*]?[\\\\w.-]*$')",message="must be the name of a group, with one \"*\" at most, such as \"research\" or \"team-*\""
	// +listType=set
	// +optional
	Groups []string `json:"groups,omitempty"`
}
