package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// RateLimitPolicy says how fast a tenant and its users may call.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=rlp,categories=bursar
// +kubebuilder:printcolumn:name="Target",type=string,JSONPath=`.spec.targetRef.name`
// +kubebuilder:printcolumn:name="Targets",type=integer,JSONPath=`.status.targets`,description="Number of TenantBudgets that the limits apply to"
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].status`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type RateLimitPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired state: the rate limits, and the tenants that they apply to.
	// +required
	Spec RateLimitPolicySpec `json:"spec"`
	// status is the last observed state.
	// +kubebuilder:default={conditions: {{type: "Reconciling", status: "True", reason: "Pending", message: "waiting for the controller", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	// +optional
	Status RateLimitPolicyStatus `json:"status,omitempty"`
}

// GetProgrammedStatus returns the part of the status that all kinds share.
func (p *RateLimitPolicy) GetProgrammedStatus() *ProgrammedStatus { return &p.Status.ProgrammedStatus }

// RateLimitPolicyList is a list of RateLimitPolicies.
//
// +kubebuilder:object:root=true
type RateLimitPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []RateLimitPolicy `json:"items"`
}

// RateLimitPolicySpec says how fast tenants may call. It applies to the tenant that targetRef names, or to each tenant that targetSelector selects. Each tenant has its own buckets.
//
// +kubebuilder:validation:XValidation:rule="has(self.targetRef) != has(self.targetSelector)",message="must set exactly one of targetRef, for one TenantBudget, and targetSelector, for many"
type RateLimitPolicySpec struct {
	// targetRef names the TenantBudget in this namespace whose tenant the limits apply to. Exactly one of targetRef and targetSelector must be set.
	// +optional
	TargetRef *TargetRef `json:"targetRef,omitempty"`
	// targetSelector selects the TenantBudgets whose tenants the limits apply to, each separately. A TenantBudget that is no longer selected loses the limits. Exactly one of targetRef and targetSelector must be set.
	// +optional
	TargetSelector *TargetSelector `json:"targetSelector,omitempty"`
	// limits are the rate limits. A call is admitted only if it fits into every limit that applies to it. A tenant gets at most 128 limits in total from policies in its TenantBudget's namespace, and 128 from all other namespaces, oldest policies first. A policy that would exceed this is left out for that tenant, and is not Programmed.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	// +required
	Limits []RateLimit `json:"limits"`
	// unlimitedTiers says what happens to calls of users whose tier is not selected by any of the policy's limits with requests or tokens and per: User. Allow: this policy does not limit them; if no other policy does, the condition Warning of their APIKeys says so. Deny: they are refused with status 403, so that a misspelt tier does not escape its limits. It does not apply to the users of children. Default: Allow.
	// +kubebuilder:default=Allow
	// +optional
	UnlimitedTiers UnlimitedTiers `json:"unlimitedTiers,omitempty"`
}

// UnlimitedTiers says what happens to calls of users of a tier that a policy does not limit.
//
// +kubebuilder:validation:Enum=Allow;Deny
type UnlimitedTiers string

// The ways to treat calls of users of such a tier.
const (
	UnlimitedTiersAllow UnlimitedTiers = "Allow"
	UnlimitedTiersDeny  UnlimitedTiers = "Deny"
)

// TargetRef names the object that a policy applies to.
type TargetRef struct {
	// kind is the target's kind. Default, and only value: TenantBudget.
	// +kubebuilder:validation:Enum=TenantBudget
	// +kubebuilder:default=TenantBudget
	// +optional
	Kind string `json:"kind,omitempty"`
	// name is the target's name, in the policy's namespace.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')",message="must be the name of a TenantBudget"
	// +required
	Name string `json:"name"`
}

// TargetSelector selects the objects that a policy applies to: those in the namespaces that meet all of matchLabels and matchExpressions. With neither, it selects all objects in the namespaces.
type TargetSelector struct {
	// kind is the targets' kind. Default, and only value: TenantBudget.
	// +kubebuilder:validation:Enum=TenantBudget
	// +kubebuilder:default=TenantBudget
	// +optional
	Kind string `json:"kind,omitempty"`
	// matchLabels are the labels and values that a target must have. Anyone who may change a target's labels can take it out of the policy; to prevent that, select only by the labels of namespaces. Empty: targets may have any labels.
	// +optional
	MatchLabels MatchLabels `json:"matchLabels,omitempty"`
	// matchExpressions are further requirements that a target's labels must meet. Empty: none.
	// +optional
	MatchExpressions MatchExpressions `json:"matchExpressions,omitempty"`
	// namespaces are the namespaces in which targets are selected. Default: the policy's own. To select others, the policy's namespace must have the label bursar.dev/delegated=true.
	// +kubebuilder:default={from:Same}
	// +optional
	Namespaces Namespaces `json:"namespaces,omitempty"`
}

// LabelSelector returns what selects among the objects of the namespaces.
func (s TargetSelector) LabelSelector() *metav1.LabelSelector {
	return (&LabelSelector{MatchLabels: s.MatchLabels, MatchExpressions: s.MatchExpressions}).Kubernetes()
}

// ReachesBeyond reports whether targets may be in other namespaces than the policy's.
func (s TargetSelector) ReachesBeyond() bool {
	return s.Namespaces.From == NamespacesAll || s.Namespaces.From == NamespacesSelector
}

// RateLimit is a token bucket. It holds up to burst units, and each call takes what it needs. The bucket refills steadily, by requests or tokens units per window. With concurrent, it holds that many calls, and each call returns its unit when it ends. Exactly one of requests, tokens and concurrent must be set.
//
// +kubebuilder:validation:XValidation:rule="[has(self.requests), has(self.tokens), has(self.concurrent)].filter(set, set).size() == 1",message="must set exactly one of requests, tokens and concurrent"
// +kubebuilder:validation:XValidation:rule="has(self.window) != has(self.concurrent)",message="must set window with requests or tokens, and not with concurrent"
// +kubebuilder:validation:XValidation:rule="!has(self.burst) || !has(self.concurrent)",message="must not set burst with concurrent, which already is the maximum at once"
// +kubebuilder:validation:XValidation:rule="!has(self.tiers) || self.tiers.size() == 0 || self.per != 'Tenant'",message="tiers requires per: User, Group or Key, because tiers are roles of users"
type RateLimit struct {
	// name identifies the limit within the policy.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be lower-case letters, digits and hyphens, such as \"gerente\""
	// +required
	Name string `json:"name"`
	// tiers are the tiers of the users that the limit applies to. Requires per: User, Group or Key. Empty: all tiers.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Tiers []Tier `json:"tiers,omitempty"`
	// models are the models that the limit applies to, by their names in ModelProviders. Empty: all models.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Models []ModelName `json:"models,omitempty"`
	// groups are the groups of callers that the limit applies to: the caller must be in one of them. With per: Group, only these groups have a bucket. Empty: all callers, and all groups.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Groups []Group `json:"groups,omitempty"`
	// labels are labels and values. The limit applies only to calls whose caller has all of them. Empty: all callers.
	// +optional
	Labels CallerLabels `json:"labels,omitempty"`
	// per is Tenant for one bucket for the whole tenant, or User, Group or Key for one bucket for each user, group or APIKey. A call takes from the bucket of each of its caller's groups. With Key, the limit does not apply to calls authenticated by a token, which have no APIKey. With Group, it does not apply to callers without a group.
	// +required
	Per Scope `json:"per"`
	// requests is the number of calls per window. Exactly one of requests, tokens and concurrent must be set.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	// +optional
	Requests *int64 `json:"requests,omitempty"`
	// tokens is the number of tokens, input and output together, per window. Exactly one of requests, tokens and concurrent must be set.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000000
	// +optional
	Tokens *int64 `json:"tokens,omitempty"`
	// concurrent is the maximum number of calls in flight: admitted and not yet ended. Exactly one of requests, tokens and concurrent must be set.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	// +optional
	Concurrent *int64 `json:"concurrent,omitempty"`
	// burst is the number of units that may be taken at once after a pause. Not allowed with concurrent. Default: the number per window.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000000
	// +optional
	Burst *int64 `json:"burst,omitempty"`
	// window is the time in which an empty bucket refills, from 1s to 24h, such as "1m". Required with requests or tokens; not allowed with concurrent.
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="must be a duration between 1s and 24h, such as \"1m\""
	// +optional
	Window string `json:"window,omitempty"`
}

// RateLimitPolicyStatus is the observed state of a RateLimitPolicy.
type RateLimitPolicyStatus struct {
	ProgrammedStatus `json:",inline"`
	// targets is the number of accepted TenantBudgets that the limits apply to.
	// +optional
	Targets *int32 `json:"targets,omitempty"`
}
