package v1alpha1

import (
	"cmp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// TenantBudget says how much money a tenant and each of its users may spend per period, and what happens as a limit is used up.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=tb;budget,categories=bursar
// +kubebuilder:printcolumn:name="Tenant",type=string,JSONPath=`.spec.tenant`
// +kubebuilder:printcolumn:name="Limit",type=string,JSONPath=`.status.nearest.name`,description="The limit of which the largest percentage is used"
// +kubebuilder:printcolumn:name="Spent",type=string,JSONPath=`.status.nearest.spent`,description="US dollars spent of that limit in this period"
// +kubebuilder:printcolumn:name="Amount",type=string,JSONPath=`.status.nearest.amount`,description="Amount of that limit in US dollars, including grants"
// +kubebuilder:printcolumn:name="Used",type=string,JSONPath=`.status.nearest.used`,description="Percentage of that limit that is spent"
// +kubebuilder:printcolumn:name="Breaker",type=string,JSONPath=`.status.breaker.summary`,description="Open while paid calls are refused"
// +kubebuilder:printcolumn:name="Enforcement",type=string,JSONPath=`.spec.enforcement`
// +kubebuilder:printcolumn:name="Alerts",type=string,JSONPath=`.status.conditions[?(@.type=="AlertsFailing")].reason`,description="Whether alerts reach everyone in spec.alerts: Deliverable, or why they do not"
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].status`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type TenantBudget struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired state: the limits, and what happens as they are used up.
	// +required
	Spec TenantBudgetSpec `json:"spec"`
	// status is the last observed state.
	// +kubebuilder:default={conditions: {{type: "Reconciling", status: "True", reason: "Pending", message: "waiting for the controller", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	// +optional
	Status TenantBudgetStatus `json:"status,omitempty"`
}

// GetProgrammedStatus returns the part of the status that all kinds share.
func (b *TenantBudget) GetProgrammedStatus() *ProgrammedStatus { return &b.Status.ProgrammedStatus }

// ParentKey names the budget's parent. REQUIRES: it has one.
func (b *TenantBudget) ParentKey() types.NamespacedName {
	ref := b.Spec.ParentRef
	return types.NamespacedName{Namespace: cmp.Or(ref.Namespace, b.Namespace), Name: ref.Name}
}

// TenantBudgetList is a list of TenantBudgets.
//
// +kubebuilder:object:root=true
type TenantBudgetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TenantBudget `json:"items"`
}

// TenantBudgetSpec is what a tenant may spend.
//
// +kubebuilder:validation:XValidation:rule="!has(self.storeLossPercent) || self.onStoreLoss == 'AllowBounded'",message="requires onStoreLoss: AllowBounded; without it nothing is reserved, so leave it out",fieldPath=".storeLossPercent"
// +kubebuilder:validation:XValidation:rule="has(self.parentRef) == has(oldSelf.parentRef)",message="cannot be added or removed, because it decides where the tenant's spending is counted: delete the TenantBudget and create it again",fieldPath=".parentRef"
type TenantBudgetSpec struct {
	// tenant is the name of the organisation that pays. It is unique in the cluster and cannot be changed. It must equal the namespace, unless the namespace has the label bursar.dev/delegated=true.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be lower-case letters, digits and hyphens, like the name of a namespace"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="cannot be changed: create another TenantBudget for another tenant"
	// +required
	Tenant string `json:"tenant"`

	// parentRef names the TenantBudget that this tenant is a part of, such as the company of a department. What the tenant spends also counts against the per: Tenant limits of its parent, its parent's parent, and so on, and their ladders and breakers apply to it. The parent must allow it (allowedChildren). If the parent has named a successor (successorRef), the successor becomes the parent. parentRef cannot be added or removed. Once the budget has been accepted, it can be changed only to another TenantBudget of the same tenant, such as that successor. If the namespace has the label bursar.dev/required-ancestor, the tenant that the label names must be among this tenant's ancestors. Unset: the tenant has no parent.
	// +optional
	ParentRef *ParentRef `json:"parentRef,omitempty"`

	// successorRef names the TenantBudget that takes over this budget's tenant, to rename this budget or to move it to another namespace without an outage. As soon as a budget of that name has the same spec.tenant, it governs the tenant, and this one may be deleted. The tenant's spending counts on. The successor's namespace must be allowed to name the tenant. Budgets that name this one as their parent follow to the successor, if it allows them; change their parentRef to the successor before you delete this budget. Unset: the tenant stays with this budget until it is deleted.
	// +optional
	SuccessorRef *SuccessorRef `json:"successorRef,omitempty"`

	// allowedChildren says which TenantBudgets may name this one as their parent, and so spend from its limits. Unset: those in this namespace. A child that is no longer allowed gets Accepted=False. Its last accepted configuration, with this budget's limits, stays in force until it is allowed again or deleted.
	// +optional
	AllowedChildren *AllowedChildren `json:"allowedChildren,omitempty"`

	// timeZone is the IANA name of the time zone whose calendar the periods follow, such as "America/Argentina/Buenos_Aires". Default: UTC.
	// +kubebuilder:default=UTC
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9_+/-]*$') && self != 'Local'",message="must be the IANA name of a time zone, such as \"America/Argentina/Buenos_Aires\" or \"UTC\""
	// +optional
	TimeZone string `json:"timeZone,omitempty"`

	// currency is the currency in which the amounts of limits, and of BudgetGrants to them, are written, with its exchange rate. Spent and held money is counted in US dollars, as providers bill. Only the amounts are converted, rounded down to the nano-dollar. A change of the rate changes the limits from then on, and does not change what was spent. Children declare their own currency. Unset: amounts are in US dollars.
	// +optional
	Currency *Currency `json:"currency,omitempty"`

	// limits are the money limits. A call is admitted only if its worst-case cost fits into every limit that applies to it. Otherwise, the first limit that it does not fit into refuses it.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.all(limit, self.filter(other, other.period == limit.period && other.per == limit.per && (has(other.tiers) ? other.tiers : []) == (has(limit.tiers) ? limit.tiers : []) && (has(other.models) ? other.models : []) == (has(limit.models) ? limit.models : []) && (has(other.groups) ? other.groups : []) == (has(limit.groups) ? limit.groups : []) && (has(other.labels) ? other.labels : {}) == (has(limit.labels) ? limit.labels : {})).size() == 1)",message="must not have two limits with the same period, per, tiers, models, groups and labels, because only the smaller would count: remove one"
	// +listType=map
	// +listMapKey=name
	// +required
	Limits []MoneyLimit `json:"limits"`

	// ladder is what happens as a limit is used up. Default: Warn at 80 % and Trip (refuse calls) at 90 %. Write [] for no rungs: then nothing happens before the limit itself is reached.
	//
	// The rungs apply to every limit of the tenant. At the Trip rung, a limit with per: Tenant opens the tenant's breaker, a limit with per: User, Group or Key blocks only that user, group or key, and a limit with tiers, models, groups or labels blocks only the calls that match it.
	// +kubebuilder:default={{atPercent:80,action:Warn},{atPercent:90,action:Trip}}
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(rung, self.filter(other, other.atPercent == rung.atPercent).size() == 1)",message="must not have two rungs at the same atPercent"
	// +kubebuilder:validation:XValidation:rule="self.filter(rung, rung.action == 'Trip').size() <= 1",message="must have at most one rung with action Trip"
	// +kubebuilder:validation:XValidation:rule="self.filter(rung, rung.action == 'Downgrade').size() <= 1",message="must have at most one rung with action Downgrade"
	// +kubebuilder:validation:XValidation:rule="self.all(rung, rung.action != 'Downgrade' || self.all(other, other.action != 'Trip' || rung.atPercent < other.atPercent))",message="must have the rung with action Downgrade at a lower atPercent than the one with action Trip, which refuses calls"
	// +listType=atomic
	// +optional
	Ladder []Rung `json:"ladder"`

	// breaker overrides the tenant's breaker. Unset: the ladder decides.
	// +optional
	Breaker *Breaker `json:"breaker,omitempty"`

	// enforcement is Enforce or Shadow. Shadow decides, counts and records everything, and refuses nothing. It waives only what belongs to this budget: its limits, its breaker, and the RateLimitPolicies in its namespace, for its own calls and for those of its children. Calls are still refused by the limits and breakers of parents that are not in Shadow themselves, and by RateLimitPolicies of other namespaces. Default: Enforce.
	// +kubebuilder:default=Enforce
	// +optional
	Enforcement Enforcement `json:"enforcement,omitempty"`

	// budgetRefusalStatus is the HTTP status of the tenant's calls that are refused for money, by a limit or breaker of its own or of a parent: 429 or 402. Clients that obey x-should-retry retry neither. Some clients ignore it and retry every 429, in vain. No client retries a 402. Default: 429.
	// +kubebuilder:default=429
	// +kubebuilder:validation:Enum=402;429
	// +optional
	BudgetRefusalStatus int32 `json:"budgetRefusalStatus,omitempty"`

	// assumedOutputTokens is the max_tokens to set on calls that specify none, if it is less than the model's maxOutputTokens. A lower value reserves less money per call, so that more calls fit into a limit at once. Default: the model's maxOutputTokens.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000000
	// +optional
	AssumedOutputTokens *int64 `json:"assumedOutputTokens,omitempty"`

	// outputCaps bound the output that one call may ask for, so that less money is reserved for it and more calls fit into a limit at once. If a call asks for more, or specifies no maximum, the lowest cap that applies to it is written into its request as max_tokens (or the protocol's equivalent), and the answer says so in the header x-bursar-max-output-tokens. Caps also apply to the calls of children. With enforcement: Shadow they have no effect. Unset: only models bound the output.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.all(c, self.filter(other, (has(other.tiers) ? other.tiers : []) == (has(c.tiers) ? c.tiers : []) && (has(other.models) ? other.models : []) == (has(c.models) ? c.models : []) && (has(other.groups) ? other.groups : []) == (has(c.groups) ? c.groups : []) && (has(other.labels) ? other.labels : {}) == (has(c.labels) ? c.labels : {})).size() == 1)",message="must not have two caps with the same tiers, models, groups and labels, because only the smaller would count: remove one"
	// +listType=atomic
	// +optional
	OutputCaps []OutputCap `json:"outputCaps,omitempty"`

	// fit says what happens to a call if its limits have too little left for all the output that it may have, but enough for less. Default: its output is lowered to what fits, but to no fewer than 1024 tokens. Children follow their own setting.
	// +kubebuilder:default={mode: LowerOutput, minOutputTokens: 1024}
	// +optional
	Fit *Fit `json:"fit,omitempty"`

	// unknownModel says what happens to calls for a model that no ModelProvider lists. Deny: they are refused with status 404. PriceAsMostExpensive: they go to a ModelProvider of the protocol that has unlistedModels, and are refused if there is none. They are held and settled at the highest prices of that ModelProvider, which may differ from what the provider bills. The ledger marks them in priced_as. Default: Deny.
	//
	// It applies only to names that callers ask for, not to names in virtualModels or ladder. Children follow their own setting.
	//
	// Limits, rate limits and Downgrade rungs with models match a model by one name only. A call that asks for the model by another name, such as a dated version, does not count against them and is not downgraded. Limits without models apply to it.
	// +kubebuilder:default=Deny
	// +optional
	UnknownModel UnknownModel `json:"unknownModel,omitempty"`

	// onStoreLoss says what happens to calls while Redis is unreachable. Deny: they are refused with status 503, and so are those of all children. AllowBounded: each enforcer reserves in advance a share of the smallest applicable limit (per user, group or key, if the limit is), and admits calls from it while Redis is down. The reserve is shown as held. The limits still hold; rate limits are not checked. A child has a reserve only if it also sets AllowBounded. Default: Deny.
	//
	// If an enforcer dies, or is cut off for more than six seconds, its shares are charged in full. Calls with an Idempotency-Key are refused even with AllowBounded.
	// +kubebuilder:default=Deny
	// +optional
	OnStoreLoss StoreLoss `json:"onStoreLoss,omitempty"`

	// storeLossPercent is the size of the reserve with onStoreLoss: AllowBounded, as a percentage of the smallest applicable limit, from 1 to 50. It also bounds what children reserve from this budget's limits. A child reserves only while all open calls and reserves together hold no more than this percentage of the limit, and each reserve is at most a quarter of that. Default: 1.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=50
	// +optional
	StoreLossPercent *int32 `json:"storeLossPercent,omitempty"`

	// virtualModels are names that callers of the tenant may ask for instead of a model. The first model in the list whose call fits into what is left of the limits is called. Children do not inherit them. Empty: callers ask for models by their own names.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	VirtualModels []VirtualModel `json:"virtualModels,omitempty"`

	// contact says whom to ask about this budget, such as "ai-platform@example.com" or "#ai-budgets in Slack". It is shown in alerts, and to every caller that a money limit or the breaker of this budget refuses, including the callers of children. Unset: callers are not told whom to ask.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^\\\\p{Cc}]*$')",message="must not contain control characters"
	// +optional
	Contact string `json:"contact,omitempty"`

	// alerts says who is notified when a rung of the ladder is reached or a limit is fully spent. Unset: nobody is notified; the alerts are still recorded in Postgres.
	// +optional
	Alerts *Alerts `json:"alerts,omitempty"`

	// memberKeys lets members of the tenant who sign in with tokens make API keys for themselves in the console. Such a key has the member's own user, tier, groups and labels, and no others. Unset: only admins of the tenant make keys there.
	// +optional
	MemberKeys *MemberKeys `json:"memberKeys,omitempty"`
}

// MemberKeys bounds the API keys that members make for themselves.
type MemberKeys struct {
	// max is the maximum number of APIKeys that a user may have at once, from 1 to 100. Default: 3.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	Max *int32 `json:"max,omitempty"`
	// maxDays is the number of days, from 1 to 3650, after which a key stops working at the latest. Default: 90.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=3650
	// +optional
	MaxDays *int32 `json:"maxDays,omitempty"`
}

// Currency is a currency and its declared exchange rate. Bursar looks up no rate.
type Currency struct {
	// code is the currency's ISO 4217 code, such as "EUR".
	// +kubebuilder:validation:MaxLength=3
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Z]{3}$') && self != 'USD'",message="must be the code of a currency, such as \"EUR\"; for US dollars, leave out currency"
	// +required
	Code string `json:"code"`
	// usdPerUnit is the exchange rate: how many US dollars one unit of the currency is worth, as a decimal string above 0 and at most 1000, such as "1.085".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=14
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]{1,4}(\\\\.[0-9]{1,9})?$') && double(self) > 0.0 && double(self) <= 1000.0",message="must be US dollars for one unit of the currency: a decimal number above 0, not above 1000, with at most 9 digits after the point, such as \"1.085\""
	// +required
	USDPerUnit string `json:"usdPerUnit"`
	// asOf is the date of the rate, such as "2026-10-01". It is shown next to the rate, and has no other effect.
	// +kubebuilder:validation:MaxLength=10
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$')",message="must be a date, such as \"2026-10-01\""
	// +required
	AsOf string `json:"asOf"`
}

// OutputCap bounds the output that one call may ask for.
type OutputCap struct {
	// tiers are the tiers of users whose calls are capped. Empty: all tiers.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Tiers []Tier `json:"tiers,omitempty"`
	// models are the models whose calls are capped, by their names in ModelProviders. What counts is the model that is called, not the one that was asked for. Empty: all models.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Models []ModelName `json:"models,omitempty"`
	// groups are the groups of callers whose calls are capped: the caller must be in one of them. Empty: all callers.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Groups []Group `json:"groups,omitempty"`
	// labels are labels and values. Only calls whose caller has all of them are capped. Empty: all callers.
	// +optional
	Labels CallerLabels `json:"labels,omitempty"`
	// maxOutputTokens is the maximum number of output tokens, including reasoning, that a call may ask for. If a call asks for several answers, it applies to each of them. A request that is not valid with so few tokens, because the model may think for longer, is refused with status 400.
	// +kubebuilder:validation:Minimum=16
	// +kubebuilder:validation:Maximum=10000000
	// +required
	MaxOutputTokens int64 `json:"maxOutputTokens"`
}

// Fit says what happens to a call whose whole output does not fit into its limits.
type Fit struct {
	// mode is LowerOutput or Refuse. LowerOutput: if money limits or token rate limits have no room for all the output that the call may have, max_tokens (or the protocol's equivalent) is lowered in its request to what fits, and the answer says so in the header x-bursar-max-output-tokens. For a virtual model, all its models are first tried with their whole output. The fallbacks of the ladder are tried last. Refuse: the call is refused. An open breaker refuses calls in either mode. Default: LowerOutput.
	// +kubebuilder:default=LowerOutput
	// +optional
	Mode FitMode `json:"mode,omitempty"`
	// minOutputTokens is the fewest output tokens that a call is lowered to. If there is no room for that many, the call is refused. Default: 1024.
	// +kubebuilder:default=1024
	// +kubebuilder:validation:Minimum=16
	// +kubebuilder:validation:Maximum=10000000
	// +optional
	MinOutputTokens int64 `json:"minOutputTokens,omitempty"`
}

// FitMode says what happens to a call whose whole output does not fit into its limits.
// +kubebuilder:validation:Enum=LowerOutput;Refuse
type FitMode string

// The modes of Fit.
const (
	// FitLowerOutput lowers the output that the call asks for.
	FitLowerOutput FitMode = "LowerOutput"
	// FitRefuse refuses the call.
	FitRefuse FitMode = "Refuse"
)

// UnknownModel says what happens to calls for a model that no ModelProvider lists.
// +kubebuilder:validation:Enum=Deny;PriceAsMostExpensive
type UnknownModel string

// The ways to treat calls for such a model.
const (
	UnknownModelDeny                 UnknownModel = "Deny"
	UnknownModelPriceAsMostExpensive UnknownModel = "PriceAsMostExpensive"
)

// StoreLoss says what happens to calls while Redis is unreachable.
// +kubebuilder:validation:Enum=Deny;AllowBounded
type StoreLoss string

// The ways to treat calls while Redis is unreachable.
const (
	StoreLossDeny         StoreLoss = "Deny"
	StoreLossAllowBounded StoreLoss = "AllowBounded"
)

// VirtualModel is a name that stands for several models. The first of them whose call fits into the limits is called.
type VirtualModel struct {
	// name is what callers ask for, such as "auto". If a model has the same name, the virtual model takes precedence.
	// +required
	Name ModelName `json:"name"`
	// models are the models to try, in order, by their names in ModelProviders. A model that cannot do what a call asks for is skipped.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(model, self.exists_one(other, other == model))",message="must not name a model twice"
	// +listType=atomic
	// +required
	Models []ModelName `json:"models"`
}

// ParentRef names the parent of a TenantBudget.
type ParentRef struct {
	// name is the name of the parent.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')",message="must be the name of a TenantBudget"
	// +required
	Name string `json:"name"`
	// namespace is the namespace of the parent. Default: this budget's namespace.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be the name of a namespace"
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// SuccessorRef names the TenantBudget that takes over a tenant.
type SuccessorRef struct {
	// name is the name of the successor.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')",message="must be the name of a TenantBudget"
	// +required
	Name string `json:"name"`
	// namespace is the namespace of the successor. Default: this budget's namespace.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be the name of a namespace"
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// AllowedChildren says which TenantBudgets may name this one as their parent.
type AllowedChildren struct {
	// namespaces are the namespaces that children may be in. Default: this budget's own.
	// +kubebuilder:default={from:Same}
	// +optional
	Namespaces Namespaces `json:"namespaces,omitempty"`
}

// Breaker overrides the breaker of a tenant.
//
// +kubebuilder:validation:XValidation:rule="!has(self.reason) || has(self.forced)",message="requires forced: without it the ladder decides, so leave the reason out",fieldPath=".reason"
type Breaker struct {
	// forced is Open to refuse all paid calls of this tenant and its children, or Closed to ignore Trip rungs; the limits still apply. Open sends an alert to everyone in alerts. Unset: the ladder decides.
	// +optional
	Forced BreakerState `json:"forced,omitempty"`
	// reason says why the breaker is forced, such as "A key was leaked; keys are being replaced." It is shown to refused callers, including those of children, and in the condition BreakerOpen, the Event and the alert. Only with forced. Unset: they say only that the breaker is forced.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^\\\\p{Cc}]*$')",message="must not contain control characters"
	// +optional
	Reason string `json:"reason,omitempty"`
}

// Enforcement says whether refusals take effect.
//
// +kubebuilder:validation:Enum=Enforce;Shadow
type Enforcement string

// The kinds of enforcement.
const (
	// EnforcementEnforce refuses calls that do not fit.
	EnforcementEnforce Enforcement = "Enforce"
	// EnforcementShadow decides, counts and records, and refuses nothing by the budget's own limits.
	EnforcementShadow Enforcement = "Shadow"
)

// MoneyLimit is an amount of money that may be spent in each period.
type MoneyLimit struct {
	// name identifies the limit within the budget.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be lower-case letters, digits and hyphens, such as \"daily\""
	// +required
	Name string `json:"name"`
	// period is how often the amount becomes available again: Minute, Hour, Day, Week, Month, Quarter or Year, or a fixed window from 1s to 24h, such as "5m". Minutes, hours and windows start at multiples of their length since 1970 in UTC. The others follow the calendar of timeZone.
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self in ['Minute', 'Hour', 'Day', 'Week', 'Month', 'Quarter', 'Year'] || (self.matches('^([0-9]+(s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('24h'))",message="must be Minute, Hour, Day, Week, Month, Quarter or Year, or a window of whole seconds between 1s and 24h, such as \"5m\""
	// +required
	Period string `json:"period"`
	// amount is how much may be spent in each period, in US dollars, or in the budget's currency if it has one, such as "5.00".
	// +required
	Amount Amount `json:"amount"`
	// per is Tenant for one amount for the whole tenant, or User, Group or Key for the same amount for each user, group or APIKey. A call counts in each of its caller's groups, and is admitted only if it fits into all of them. With Key, calls authenticated by a token do not count, because they have no APIKey. With Group, calls of callers without a group do not count. Default: Tenant.
	// +kubebuilder:default=Tenant
	// +optional
	Per Scope `json:"per,omitempty"`
	// tiers are the tiers of users whose calls count against the limit. Empty: all tiers.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Tiers []Tier `json:"tiers,omitempty"`
	// models are the models whose calls count against the limit, by their names in ModelProviders. Empty: all models.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Models []ModelName `json:"models,omitempty"`
	// groups are the groups of callers whose calls count: the caller must be in one of them. With per: Group, only these groups have an amount. Empty: all callers, and all groups.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Groups []Group `json:"groups,omitempty"`
	// labels are labels and values. Only calls whose caller has all of them count. Empty: all callers.
	// +optional
	Labels CallerLabels `json:"labels,omitempty"`
}
