package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// RateLimitPolicy says how fast the users of a tenant, and the tenant as a whole,
// may call.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=rlp,categories=bursar
// +kubebuilder:printcolumn:name="Target",type=string,JSONPath=`.spec.targetRef.name`
// +kubebuilder:printcolumn:name="Targets",type=integer,JSONPath=`.status.targets`
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].status`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type RateLimitPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what is to be enforced.
	// +required
	Spec RateLimitPolicySpec `json:"spec"`
	// status is what is so.
	// +kubebuilder:default={conditions: {{type: "Reconciling", status: "True", reason: "Pending", message: "nobody has looked at it yet", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	// +optional
	Status RateLimitPolicyStatus `json:"status,omitempty"`
}

// Programming is the part of the status that every kind has.
func (p *RateLimitPolicy) Programming() *ProgrammedStatus { return &p.Status.ProgrammedStatus }

// RateLimitPolicyList is a list of RateLimitPolicies.
//
// +kubebuilder:object:root=true
type RateLimitPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []RateLimitPolicy `json:"items"`
}

// RateLimitPolicySpec is how fast tenants may call: one that targetRef names, or each
// of those that targetSelector selects. Each tenant has its own buckets.
//
// +kubebuilder:validation:XValidation:rule="has(self.targetRef) != has(self.targetSelector)",message="must set exactly one of targetRef, for one TenantBudget, and targetSelector, for many"
type RateLimitPolicySpec struct {
	// targetRef names the TenantBudget, in the same namespace, whose tenant the
	// limits apply to.
	// +optional
	TargetRef *TargetRef `json:"targetRef,omitempty"`
	// targetSelector selects the TenantBudgets whose tenants the limits apply to, each
	// on its own. One that is not selected any more loses them.
	// +optional
	TargetSelector *TargetSelector `json:"targetSelector,omitempty"`
	// limits are the rate limits. A call is admitted only when it fits into every
	// one that applies to it. A tenant gets at most 128 in all from policies of its
	// TenantBudget's namespace, and 128 from those of all others: a policy that would
	// exceed that beside older ones is left out of that tenant, and not Programmed.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	// +required
	Limits []RateLimit `json:"limits"`
}

// TargetRef names the object that a policy applies to.
type TargetRef struct {
	// kind is the target's kind.
	// +kubebuilder:validation:Enum=TenantBudget
	// +kubebuilder:default=TenantBudget
	// +optional
	Kind string `json:"kind,omitempty"`
	// name is the target's name, in the policy's namespace.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
}

// TargetSelector selects the objects that a policy applies to: those that have all of
// matchLabels and matchExpressions, in one of the namespaces. With neither, they are
// all that there are in the namespaces.
type TargetSelector struct {
	// kind is the targets' kind.
	// +kubebuilder:validation:Enum=TenantBudget
	// +kubebuilder:default=TenantBudget
	// +optional
	Kind string `json:"kind,omitempty"`
	// matchLabels are labels that a target has, with these values. Who may change a
	// target's labels may take it out of the policy: where that must not be, select by
	// the labels of namespaces alone.
	// +kubebuilder:validation:MaxProperties=32
	// +optional
	MatchLabels map[string]string `json:"matchLabels,omitempty"`
	// matchExpressions are what a target's labels meet beside matchLabels.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	MatchExpressions []metav1.LabelSelectorRequirement `json:"matchExpressions,omitempty"`
	// namespaces are those in which targets are. Others than the policy's own only
	// where that is labelled bursar.dev/delegated=true.
	// +kubebuilder:default={from:Same}
	// +optional
	Namespaces Namespaces `json:"namespaces,omitempty"`
}

// LabelSelector is what selects among the objects of the namespaces.
func (s TargetSelector) LabelSelector() *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: s.MatchLabels, MatchExpressions: s.MatchExpressions}
}

// ReachesBeyond reports whether targets may be in other namespaces than the policy's.
func (s TargetSelector) ReachesBeyond() bool {
	return s.Namespaces.From == NamespacesAll || s.Namespaces.From == NamespacesSelector
}

// RateLimit is a token bucket: it holds up to burst units, each call takes what
// it needs, and it refills steadily with requests or tokens units per window. Of
// concurrent, it holds that many, and each call gives its one back when it ends.
//
// +kubebuilder:validation:XValidation:rule="[has(self.requests), has(self.tokens), has(self.concurrent)].filter(set, set).size() == 1",message="must set exactly one of requests, tokens and concurrent"
// +kubebuilder:validation:XValidation:rule="has(self.window) != has(self.concurrent)",message="must set window with requests or tokens, and not with concurrent"
// +kubebuilder:validation:XValidation:rule="!has(self.burst) || !has(self.concurrent)",message="must not set burst with concurrent, which is the most there may be at once"
// +kubebuilder:validation:XValidation:rule="!has(self.tiers) || self.tiers.size() == 0 || self.per == 'User'",message="tiers needs per: User: tiers are roles of users"
type RateLimit struct {
	// name tells the limit from the others of the policy.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be lower-case letters, digits and hyphens, such as \"gerente\""
	// +required
	Name string `json:"name"`
	// tiers are the tiers of the users that the limit applies to; none means all.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Tiers []Tier `json:"tiers,omitempty"`
	// models are the models whose calls the limit applies to, by the names in their
	// ModelProviders; none means all.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Models []ModelName `json:"models,omitempty"`
	// per says whether the bucket is one for the whole tenant or one for each user.
	// +required
	Per Scope `json:"per"`
	// requests is how many calls may be made per window.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	// +optional
	Requests *int64 `json:"requests,omitempty"`
	// tokens is how many tokens, of input and output together, may be used per window.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000000
	// +optional
	Tokens *int64 `json:"tokens,omitempty"`
	// concurrent is how many calls may be in flight at once: admitted and not ended.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	// +optional
	Concurrent *int64 `json:"concurrent,omitempty"`
	// burst is how many units may be taken at once after a pause. It defaults to
	// the number per window.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000000
	// +optional
	Burst *int64 `json:"burst,omitempty"`
	// window is the time in which an empty bucket takes in requests or tokens
	// units, between 1s and 24h. It is required with either, and goes with nothing
	// else.
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="must be a duration between 1s and 24h, such as \"1m\""
	// +optional
	Window string `json:"window,omitempty"`
}

// RateLimitPolicyStatus is the observed state of a RateLimitPolicy.
type RateLimitPolicyStatus struct {
	ProgrammedStatus `json:",inline"`
	// targets is how many TenantBudgets the limits apply to: those that are named or
	// selected, and accepted themselves.
	// +optional
	Targets *int32 `json:"targets,omitempty"`
}
