package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Finalizer keeps an object until what it programmed has been withdrawn.
const Finalizer = "bursar.dev/withdraw"

// PersonExtra is the impersonation extra that the console adds to its own name in requests that change the cluster: the name of the person who asked for the change.
const PersonExtra = "bursar.dev/person"

// DelegatedLabel on a Namespace, with the value "true", allows TenantBudgets in it to name tenants other than the namespace itself, and RateLimitPolicies in it to select TenantBudgets in other namespaces.
const DelegatedLabel = "bursar.dev/delegated"

// RequiredAncestorLabel on a Namespace names a tenant that every TenantBudget in the namespace must have among its ancestors, except the TenantBudget of that tenant itself. Anyone who may create TenantBudgets there is thus kept inside that tenant's limits, and cannot escape them by deleting a TenantBudget and creating it again without its parent.
const RequiredAncestorLabel = "bursar.dev/required-ancestor"

// Amount is a sum of money: a decimal string with at most 9 digits after the point, at most 9000000, such as "5.00". It is in US dollars unless a currency is declared.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=32
// +kubebuilder:validation:XValidation:rule="!self.matches('^-[0-9]')",message="must not be negative: write an amount of 0 or more, such as \"5.00\""
// +kubebuilder:validation:XValidation:rule="self.matches('^-?[0-9]+(\\\\.[0-9]+)?$')",message="must be a decimal number of US dollars without signs, symbols or spaces, such as \"5.00\""
// +kubebuilder:validation:XValidation:rule="!self.matches('^-?[0-9]+\\\\.[0-9]{10,}$')",message="must not be finer than a nano-dollar: write at most 9 digits after the point"
// +kubebuilder:validation:XValidation:rule="!self.matches('^[0-9]+(\\\\.[0-9]+)?$') || double(self) <= 9000000.0",message="is too large: an amount is at most 9000000 US dollars"
type Amount string

// Tier is the name of a role of users, such as "gerente".
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be lower-case letters, digits and hyphens, such as \"gerente\""
type Tier string

// ModelName is the name of a model, as callers ask for it.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=128
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9@~][A-Za-z0-9._:/@~-]*$')",message="must be a model name such as \"gpt-4o-mini\": letters, digits and . _ : / @ ~ -"
type ModelName string

// Group is the name of a group of callers, such as a team or a project. It comes from an APIKey, a Membership, or claimMappings.groups of an IdentityProvider.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:XValidation:rule="self.matches('^[^\\\\p{Cc}]+$')",message="must not contain control characters"
type Group string

// GivenGroup is the name of a group that an APIKey or a Membership gives to callers.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$')",message="must be letters, digits and . _ -, such as \"research\""
type GivenGroup string

// CallerLabels are labels of callers with their values, such as cost-centre: "4711".
//
// +kubebuilder:validation:MaxProperties=8
// +kubebuilder:validation:XValidation:rule="self.all(key, key.size() <= 63 && key.matches('^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$'))",message="must have names of letters, digits and . _ -, at most 63 of them, such as \"cost-centre\""
type CallerLabels map[string]CallerLabel

// CallerLabel is the value of a label of a caller.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:XValidation:rule="self.matches('^[^\\\\p{Cc}]+$')",message="must not contain control characters"
type CallerLabel string

// Scope says which calls a limit counts together: those of the whole tenant, or those of each user, group or APIKey.
//
// +kubebuilder:validation:Enum=Tenant;User;Group;Key
type Scope string

// The scopes of a limit.
const (
	ScopeTenant Scope = "Tenant"
	ScopeUser   Scope = "User"
	ScopeGroup  Scope = "Group"
	ScopeKey    Scope = "Key"
)

// Namespaces selects namespaces.
//
// +kubebuilder:validation:XValidation:rule="(self.from == 'Selector') == has(self.selector)",message="must set selector with from: Selector, and only then"
type Namespaces struct {
	// from is Same for this object's namespace, All for every namespace, or Selector for this object's namespace and those that match selector. Default: Same.
	// +kubebuilder:default=Same
	// +optional
	From NamespacesFrom `json:"from,omitempty"`
	// selector selects namespaces by their labels. Required with from: Selector; not allowed otherwise.
	// +optional
	Selector *LabelSelector `json:"selector,omitempty"`
}

// LabelSelector selects objects that meet all of matchLabels and matchExpressions, like a Kubernetes label selector of bounded size. With neither, it selects all objects.
//
// +structType=atomic
type LabelSelector struct {
	// matchLabels are the labels and values that an object must have. Empty: none.
	// +optional
	MatchLabels MatchLabels `json:"matchLabels,omitempty"`
	// matchExpressions are further requirements that an object's labels must meet. Empty: none.
	// +optional
	MatchExpressions MatchExpressions `json:"matchExpressions,omitempty"`
}

// MatchLabels are labels and their values.
//
// +kubebuilder:validation:MaxProperties=32
// +kubebuilder:validation:XValidation:rule="self.all(key, key.size() <= 317 && self[key].size() <= 63)",message="must have keys of at most 317 characters and values of at most 63, like all labels"
type MatchLabels map[string]string

// MatchExpressions are requirements that labels must meet.
//
// +kubebuilder:validation:MaxItems=32
// +listType=atomic
type MatchExpressions []LabelSelectorRequirement

// LabelSelectorRequirement is a requirement that the label with a given key must meet.
type LabelSelectorRequirement struct {
	// key is the key of the label.
	// +kubebuilder:validation:MaxLength=317
	// +required
	Key string `json:"key"`
	// operator is In, NotIn, Exists or DoesNotExist.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +required
	Operator metav1.LabelSelectorOperator `json:"operator"`
	// values are the values of which the label must have one (In) or none (NotIn). Empty with Exists and DoesNotExist.
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=63
	// +listType=atomic
	// +optional
	Values []string `json:"values,omitempty"`
}

// Kubernetes returns the selector as the type of Kubernetes. For nil, it returns nil, which selects nothing.
func (s *LabelSelector) Kubernetes() *metav1.LabelSelector {
	if s == nil {
		return nil
	}
	selector := &metav1.LabelSelector{MatchLabels: s.MatchLabels}
	for _, e := range s.MatchExpressions {
		selector.MatchExpressions = append(selector.MatchExpressions, metav1.LabelSelectorRequirement(e))
	}
	return selector
}

// NamespacesFrom says how namespaces are chosen.
//
// +kubebuilder:validation:Enum=Same;All;Selector
type NamespacesFrom string

// The ways to choose namespaces.
const (
	NamespacesSame     NamespacesFrom = "Same"
	NamespacesAll      NamespacesFrom = "All"
	NamespacesSelector NamespacesFrom = "Selector"
)

// EnforcerCount is the number of live enforcers, and how many of them run a configuration that contains the observed generation.
type EnforcerCount struct {
	// ready is the number of live enforcers that run a configuration that contains the observed generation.
	Ready int32 `json:"ready"`
	// total is the number of live enforcers.
	Total int32 `json:"total"`
}

// ProgrammedStatus is the part of the status that all kinds share.
type ProgrammedStatus struct {
	// observedGeneration is the generation of the spec that this status describes.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// revision is the number of the compiled configuration that contains the observed generation. Unset: no configuration contains it yet.
	// +optional
	Revision int64 `json:"revision,omitempty"`
	// enforcers counts the live enforcers, and those that run the revision.
	// +optional
	Enforcers *EnforcerCount `json:"enforcers,omitempty"`
	// conditions describe the observed state of the object. Ready, Accepted, Programmed, Reconciling, Stalled and Warning are always present.
	// +listType=map
	// +listMapKey=type
	// +patchStrategy=merge
	// +patchMergeKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`
}
