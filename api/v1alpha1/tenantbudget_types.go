package v1alpha1

import (
	"cmp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// TenantBudget says how much money a tenant and each of its users may spend per
// period, and what happens as the limits come near.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=tb;budget,categories=bursar
// +kubebuilder:printcolumn:name="Tenant",type=string,JSONPath=`.spec.tenant`
// +kubebuilder:printcolumn:name="Limit",type=string,JSONPath=`.status.nearest.name`,description="The limit that is used most"
// +kubebuilder:printcolumn:name="Spent",type=string,JSONPath=`.status.nearest.spent`,description="US dollars spent of that limit"
// +kubebuilder:printcolumn:name="Amount",type=string,JSONPath=`.status.nearest.amount`,description="US dollars of that limit"
// +kubebuilder:printcolumn:name="Used",type=string,JSONPath=`.status.nearest.used`
// +kubebuilder:printcolumn:name="Breaker",type=string,JSONPath=`.status.breaker.summary`
// +kubebuilder:printcolumn:name="Enforcement",type=string,JSONPath=`.spec.enforcement`
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].status`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type TenantBudget struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what is to be enforced.
	// +required
	Spec TenantBudgetSpec `json:"spec"`
	// status is what is so.
	// +kubebuilder:default={conditions: {{type: "Reconciling", status: "True", reason: "Pending", message: "nobody has looked at it yet", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	// +optional
	Status TenantBudgetStatus `json:"status,omitempty"`
}

// Programming is the part of the status that every kind has.
func (b *TenantBudget) Programming() *ProgrammedStatus { return &b.Status.ProgrammedStatus }

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
// +kubebuilder:validation:XValidation:rule="!has(self.storeLossPercent) || self.onStoreLoss == 'AllowBounded'",message="needs onStoreLoss: AllowBounded: nothing is kept for when the limiter's store is lost otherwise",fieldPath=".storeLossPercent"
// +kubebuilder:validation:XValidation:rule="has(self.parentRef) == has(oldSelf.parentRef) && (!has(self.parentRef) || self.parentRef == oldSelf.parentRef)",message="cannot be changed: it decides where the tenant's counters are kept, and others would begin at zero",fieldPath=".parentRef"
type TenantBudgetSpec struct {
	// tenant is the name of the organisation that pays. It is unique in the
	// cluster, cannot be changed, and must equal the namespace unless that is
	// labelled bursar.dev/delegated=true.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be lower-case letters, digits and hyphens, like the name of a namespace"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="cannot be changed: create another TenantBudget for another tenant"
	// +required
	Tenant string `json:"tenant"`

	// parentRef names the TenantBudget of which this tenant is a part, such as that
	// of the company of a department. What the tenant spends counts against the
	// per: Tenant limits of its parent too, and of its parent's parent, and so on;
	// their ladders and breakers hold for it. The parent has to allow it, see
	// allowedChildren. It cannot be changed.
	// +optional
	ParentRef *ParentRef `json:"parentRef,omitempty"`

	// allowedChildren says which TenantBudgets may name this one as their parent, and so
	// spend of its limits. Absent means those of its namespace. One that is not allowed
	// any more is not accepted, and keeps what was in force of it, this budget's limits
	// included, until it is allowed again or deleted.
	// +optional
	AllowedChildren *AllowedChildren `json:"allowedChildren,omitempty"`

	// timeZone is the IANA name of the zone whose calendar the periods follow,
	// such as "America/Argentina/Buenos_Aires".
	// +kubebuilder:default=UTC
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9_+/-]*$') && self != 'Local'",message="must be the IANA name of a time zone, such as \"America/Argentina/Buenos_Aires\" or \"UTC\""
	// +optional
	TimeZone string `json:"timeZone,omitempty"`

	// limits are the money limits. A call is admitted only when its worst case
	// fits into every one of them; the first that it does not fit refuses it.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.all(limit, self.filter(other, other.period == limit.period && other.per == limit.per && (has(other.tiers) ? other.tiers : []) == (has(limit.tiers) ? limit.tiers : []) && (has(other.models) ? other.models : []) == (has(limit.models) ? limit.models : [])).size() == 1)",message="must not have two limits with the same period, per, tiers and models: the smaller alone would count"
	// +listType=map
	// +listMapKey=name
	// +required
	Limits []MoneyLimit `json:"limits"`

	// ladder is what happens as a limit is used up. The rungs apply to every
	// limit of the tenant: one of per: Tenant trips the breaker of the tenant, one
	// of per: User stops that user alone, and one with tiers or models stops the
	// calls that count against it alone. An empty list means that nothing happens
	// before the limit itself is reached.
	// +kubebuilder:default={{atPercent:80,action:Warn},{atPercent:90,action:Trip}}
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(rung, self.filter(other, other.atPercent == rung.atPercent).size() == 1)",message="must not have two rungs at the same atPercent"
	// +kubebuilder:validation:XValidation:rule="self.filter(rung, rung.action == 'Trip').size() <= 1",message="must have at most one rung with action Trip"
	// +kubebuilder:validation:XValidation:rule="self.filter(rung, rung.action == 'Downgrade').size() <= 1",message="must have at most one rung with action Downgrade"
	// +kubebuilder:validation:XValidation:rule="self.all(rung, rung.action != 'Downgrade' || self.all(other, other.action != 'Trip' || rung.atPercent < other.atPercent))",message="must have the rung with action Downgrade below the one with action Trip: from there on no call is admitted as it was asked for"
	// +listType=atomic
	// +optional
	Ladder []Rung `json:"ladder"`

	// breaker overrides the tenant's breaker.
	// +optional
	Breaker *Breaker `json:"breaker,omitempty"`

	// enforcement is Enforce, or Shadow: then calls of the tenant are decided on,
	// counted and recorded as ever, and none is refused, by whichever limit, of the
	// tenant or of its parents. The calls of other tenants, of which this one is
	// the parent, go by their own enforcement.
	// +kubebuilder:default=Enforce
	// +optional
	Enforcement Enforcement `json:"enforcement,omitempty"`

	// budgetRefusalStatus is the HTTP status of calls of the tenant that are refused for
	// money, whoever's limit or breaker it is: 429, or 402. Clients that heed
	// x-should-retry try neither again. There are some that do not, and try every 429
	// again, in vain; no client tries a 402 again.
	// +kubebuilder:default=429
	// +kubebuilder:validation:Enum=402;429
	// +optional
	BudgetRefusalStatus int32 `json:"budgetRefusalStatus,omitempty"`

	// assumedOutputTokens is how much output a call may have that names no bound
	// of its own: it is written into the call, where it is less than the model's
	// maxOutputTokens. Less money is held for such calls then, and more of them
	// fit into a limit at a time. Absent means maxOutputTokens.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000000
	// +optional
	AssumedOutputTokens *int64 `json:"assumedOutputTokens,omitempty"`

	// unknownModel says what becomes of calls for a model that no ModelProvider lists.
	// Deny refuses them, with status 404. PriceAsMostExpensive has them made by a
	// ModelProvider with unlistedModels, and refuses them where there is none of the
	// protocol: they are held and settled at the dearest of its prices, which may not be
	// what it bills, and priced_as says so in the ledger. That is so for the name alone
	// that a caller asks for, not for those in virtualModels and ladder, and of calls of
	// the tenant itself: those below it go by their own budgets.
	//
	// Limits, rate limits and Downgrade rungs with models know a model by one name. A
	// call that asks for it by another, such as that of a dated version, does not count
	// there, and is not downgraded; limits without models hold for it as for any.
	// +kubebuilder:default=Deny
	// +optional
	UnknownModel UnknownModel `json:"unknownModel,omitempty"`

	// onStoreLoss says what becomes of calls while Redis is out of reach. Deny refuses
	// them, with status 503. AllowBounded admits them from money that each enforcer
	// holds beforehand: for each kind of calls that it sees (those that count in the
	// same limits: of a user, where there are limits of users), a share of the smallest
	// of the limits. It shows as held. So the limits hold even then; rate limits are
	// not asked. An enforcer that dies, or is cut off for longer than six seconds, is
	// charged its shares in full. Calls with an Idempotency-Key are refused all the
	// same.
	// +kubebuilder:default=Deny
	// +optional
	OnStoreLoss StoreLoss `json:"onStoreLoss,omitempty"`

	// storeLossPercent is the size of a share, for AllowBounded: percent of the
	// smallest limit that the calls count in. Absent means 1.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=50
	// +optional
	StoreLossPercent *int32 `json:"storeLossPercent,omitempty"`

	// virtualModels are names that callers of the tenant may ask for in the place of
	// a model's: the first model of the list whose call fits into what is left of the
	// limits is called. The tenants below this one have none of them.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	VirtualModels []VirtualModel `json:"virtualModels,omitempty"`

	// alerts says who is told when a rung of the ladder is reached, or a limit is spent
	// in full. Absent tells nobody: it is recorded all the same.
	// +optional
	Alerts *Alerts `json:"alerts,omitempty"`
}

// UnknownModel says what becomes of calls for a model that no ModelProvider lists.
// +kubebuilder:validation:Enum=Deny;PriceAsMostExpensive
type UnknownModel string

// The answers to calls for such a model.
const (
	UnknownModelDeny                 UnknownModel = "Deny"
	UnknownModelPriceAsMostExpensive UnknownModel = "PriceAsMostExpensive"
)

// StoreLoss says what becomes of calls while Redis is out of reach.
// +kubebuilder:validation:Enum=Deny;AllowBounded
type StoreLoss string

// The answers to the loss of the store.
const (
	StoreLossDeny         StoreLoss = "Deny"
	StoreLossAllowBounded StoreLoss = "AllowBounded"
)

// VirtualModel is a name for the first of several models that the budget allows.
type VirtualModel struct {
	// name is what callers ask for, such as "auto". Where a model has that name, too,
	// this is what is meant.
	// +required
	Name ModelName `json:"name"`
	// models are the models in the order in which they are tried, by the names in
	// their ModelProviders. One that cannot do what a call asks for is passed over.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(model, self.exists_one(other, other == model))",message="must not name a model twice"
	// +listType=atomic
	// +required
	Models []ModelName `json:"models"`
}

// ParentRef names the TenantBudget that a tenant is a part of.
type ParentRef struct {
	// name is the parent's name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// namespace is the parent's namespace. It defaults to that of the budget.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// AllowedChildren says which TenantBudgets may name one as their parent.
type AllowedChildren struct {
	// namespaces are those in which they may be.
	// +kubebuilder:default={from:Same}
	// +optional
	Namespaces Namespaces `json:"namespaces,omitempty"`
}

// Breaker overrides the breaker of a tenant.
type Breaker struct {
	// forced holds the breaker Open, so that all paid calls of the tenant and of
	// the tenants below it are refused, or Closed, so that the Trip rung does not
	// open it; the limits themselves hold all the same. Absent leaves the breaker
	// to the ladder.
	// +optional
	Forced BreakerState `json:"forced,omitempty"`
}

// Enforcement says what becomes of a refusal.
//
// +kubebuilder:validation:Enum=Enforce;Shadow
type Enforcement string

// The kinds of enforcement.
const (
	// EnforcementEnforce refuses.
	EnforcementEnforce Enforcement = "Enforce"
	// EnforcementShadow decides, counts and records, and never refuses.
	EnforcementShadow Enforcement = "Shadow"
)

// MoneyLimit is an amount of money that may be spent in each period.
type MoneyLimit struct {
	// name tells the limit from the others of the budget.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be lower-case letters, digits and hyphens, such as \"daily\""
	// +required
	Name string `json:"name"`
	// period is how often the amount becomes available anew: one of Minute, Hour,
	// Day, Week, Month, Quarter and Year, or a fixed window between 1s and 24h, such
	// as "5m". Minutes, hours and windows begin at multiples of their length since
	// 1970 in UTC; the others follow the calendar of timeZone.
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self in ['Minute', 'Hour', 'Day', 'Week', 'Month', 'Quarter', 'Year'] || (self.matches('^([0-9]+(s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('24h'))",message="must be Minute, Hour, Day, Week, Month, Quarter or Year, or a window of whole seconds between 1s and 24h, such as \"5m\""
	// +required
	Period string `json:"period"`
	// amount is how much may be spent in each period, in US dollars.
	// +required
	Amount Amount `json:"amount"`
	// per says whether the amount is for the whole tenant or for each user.
	// +kubebuilder:default=Tenant
	// +optional
	Per Scope `json:"per,omitempty"`
	// tiers are the tiers of users whose calls count against the limit; none means
	// all.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Tiers []Tier `json:"tiers,omitempty"`
	// models are the models whose calls count against the limit, by the names in
	// their ModelProviders; none means all.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Models []ModelName `json:"models,omitempty"`
}

// Action is what happens at a rung of the ladder.
//
// +kubebuilder:validation:Enum=Warn;Downgrade;Trip
type Action string

// The actions of a rung.
const (
	// ActionWarn raises an Event; calls go on.
	ActionWarn Action = "Warn"
	// ActionDowngrade makes calls of a model calls of a cheaper one.
	ActionDowngrade Action = "Downgrade"
	// ActionTrip opens the breaker: no further paid call is admitted until the
	// period turns or the limit is raised, but for those of the fallback.
	ActionTrip Action = "Trip"
)

// Fallback is what a caller gets in the place of a call that is refused for money.
//
// +kubebuilder:validation:Enum=Cache;CheapestModel;Message
type Fallback string

// The fallbacks of a Trip rung.
const (
	// FallbackCache answers with the answer to an earlier call of the tenant whose
	// request was the same.
	FallbackCache Fallback = "Cache"
	// FallbackCheapestModel makes a call of the cheapest model, from what is left of
	// the limits.
	FallbackCheapestModel Fallback = "CheapestModel"
	// FallbackMessage answers with the rung's message.
	FallbackMessage Fallback = "Message"
)

// Rung is what happens when a limit is used up to a percentage.
//
// +kubebuilder:validation:XValidation:rule="(self.action == 'Downgrade') == (has(self.models) && self.models.size() > 0)",message="must have models with action Downgrade, and with no other"
// +kubebuilder:validation:XValidation:rule="self.action == 'Trip' || !has(self.fallback) || self.fallback.size() == 0",message="must have fallback with action Trip alone"
// +kubebuilder:validation:XValidation:rule="has(self.message) == (has(self.fallback) && 'Message' in self.fallback)",message="must have message with Message in fallback, and not without"
// +kubebuilder:validation:XValidation:rule="!has(self.cache) || (has(self.fallback) && 'Cache' in self.fallback)",message="must have cache with Cache in fallback alone"
// +kubebuilder:validation:XValidation:rule="!has(self.cheapestModel) || (has(self.fallback) && 'CheapestModel' in self.fallback)",message="must have cheapestModel with CheapestModel in fallback alone"
// +kubebuilder:validation:XValidation:rule="!has(self.fallback) || !('Message' in self.fallback) || self.fallback[self.fallback.size() - 1] == 'Message'",message="must have Message last in fallback: what comes after it would never be tried"
type Rung struct {
	// atPercent is the share of the limit's amount, in per cent of what is spent,
	// at which the rung is reached.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +required
	AtPercent int32 `json:"atPercent"`
	// action is what happens at the rung.
	// +required
	Action Action `json:"action"`
	// models are, of Downgrade, the models that are replaced, and by which.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=from
	// +optional
	Models []Replacement `json:"models,omitempty"`
	// fallback is, of Trip, what is tried in the place of a call of the tenant that
	// is refused for money, in this order, until one has an answer: because a limit
	// has reached its Trip rung or has too little left for the call, or because the
	// breaker is forced open; by a limit of the tenant, of the user or of a parent. An
	// empty list, or none that has an answer, refuses the call. Calls that a rate
	// limit refuses have no fallback.
	//
	// Cache answers with what was answered to an earlier call of the tenant whose
	// request was the same, byte for byte. The answer to one user of the tenant is
	// then given to another who asks the same: only list Cache where users may see
	// each other's answers. Answers are kept from the time on that Cache is listed, in
	// the memory of each enforcer alone, and for no other tenant.
	//
	// CheapestModel makes the call of the model of the same protocol that can do it
	// and whose prices are the lowest for what the call may use, if it costs nothing
	// or fits into what is left of the limits: the Trip rung is not asked, the amounts
	// are. Under a breaker that is forced open,
	// only models that cost nothing are called.
	//
	// Message answers with message, as a model would.
	// +kubebuilder:validation:MaxItems=3
	// +listType=set
	// +optional
	Fallback []Fallback `json:"fallback,omitempty"`
	// message is, of the fallback Message, what callers are answered.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	Message string `json:"message,omitempty"`
	// cache is how the fallback Cache keeps answers.
	// +optional
	Cache *CacheFallback `json:"cache,omitempty"`
	// cheapestModel is how the fallback CheapestModel chooses.
	// +optional
	CheapestModel *CheapestModelFallback `json:"cheapestModel,omitempty"`
}

// CacheFallback is how the fallback Cache keeps answers.
type CacheFallback struct {
	// maxAge is how old an answer may be, in whole seconds between 1s and 24h.
	// +kubebuilder:default="1h"
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+(s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="must be a duration of whole seconds between 1s and 24h, such as \"1h\""
	// +optional
	MaxAge string `json:"maxAge,omitempty"`
}

// CheapestModelFallback is how the fallback CheapestModel chooses.
type CheapestModelFallback struct {
	// models are those among which the cheapest is chosen, by the names in their
	// ModelProviders; none means all. Name those that can do what the tenant's
	// programs need, where some cannot.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Models []ModelName `json:"models,omitempty"`
}

// Replacement is a model that calls are made of in the place of another.
//
// +kubebuilder:validation:XValidation:rule="self.from != self.to",message="must not replace a model by itself"
type Replacement struct {
	// from is the model that is asked for.
	// +required
	From ModelName `json:"from"`
	// to is the model that is called in its place.
	// +required
	To ModelName `json:"to"`
}

// TenantBudgetStatus is the observed state of a TenantBudget.
type TenantBudgetStatus struct {
	ProgrammedStatus `json:",inline"`

	// limits are the tenant's own limits and how far they are used.
	// +listType=map
	// +listMapKey=name
	// +optional
	Limits []MoneyLimitStatus `json:"limits,omitempty"`
	// nearest is the limit that is used most, for the columns of kubectl get.
	// +optional
	Nearest *NearestLimit `json:"nearest,omitempty"`
	// breaker is the state of the tenant's breaker.
	// +optional
	Breaker *BreakerStatus `json:"breaker,omitempty"`
}

// MoneyLimitStatus is how far a limit of a tenant is used in the current period.
type MoneyLimitStatus struct {
	// name is the limit's name in the spec.
	Name string `json:"name"`
	// amount is the limit in US dollars: that of the spec, and what is granted. The
	// ladder's rungs are percentages of it.
	Amount string `json:"amount"`
	// granted is how much of amount active BudgetGrants give; absent when they give
	// nothing.
	// +optional
	Granted string `json:"granted,omitempty"`
	// spent is what settled calls cost in this period, in US dollars.
	Spent string `json:"spent"`
	// held is what open calls may cost at most, in US dollars.
	Held string `json:"held"`
	// percent is spent as a percentage of amount, rounded down.
	Percent int64 `json:"percent"`
	// rung is the action of the highest rung reached in this period; absent when
	// none is reached.
	// +optional
	Rung Action `json:"rung,omitempty"`
	// resetsAt is when the period turns and spent starts again at zero.
	ResetsAt metav1.Time `json:"resetsAt"`
	// exhaustsAt is when the amount is used up, should spending go on as in the last
	// minutes: at most ten, and at most a quarter of the period. It is a forecast, to
	// the minute within the hour and coarser beyond; absent when nothing suggests that
	// it will be before resetsAt.
	// +optional
	ExhaustsAt *metav1.Time `json:"exhaustsAt,omitempty"`
}

// NearestLimit is the limit that is used most.
type NearestLimit struct {
	// name is the limit's name in the spec.
	Name string `json:"name"`
	// spent is what settled calls cost in this period, in US dollars.
	Spent string `json:"spent"`
	// amount is the limit in US dollars, with what is granted.
	Amount string `json:"amount"`
	// used is spent as a percentage of amount, such as "92%".
	Used string `json:"used"`
}

// BreakerState is the state of a breaker.
//
// +kubebuilder:validation:Enum=Closed;Open
type BreakerState string

// The states of a breaker.
const (
	BreakerClosed BreakerState = "Closed"
	BreakerOpen   BreakerState = "Open"
)

// BreakerStatus is the state of a tenant's breaker.
type BreakerStatus struct {
	// state is Open while the tenant's paid calls are refused, but for what the
	// fallbacks of the ladder let through.
	State BreakerState `json:"state"`
	// summary is the state, and whose doing it is, for the columns of kubectl get:
	// such as "Open (forced)" or "Open (parent)".
	// +optional
	Summary string `json:"summary,omitempty"`
	// forced is true while the spec of the tenant, or of one that it is a part of,
	// decides the state.
	// +optional
	Forced bool `json:"forced,omitempty"`
	// tenant is the tenant above this one whose breaker it is; absent when it is
	// the tenant's own.
	// +optional
	Tenant string `json:"tenant,omitempty"`
	// limit is the name of the limit that opened the breaker.
	// +optional
	Limit string `json:"limit,omitempty"`
	// since is when the breaker was first seen in this state.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
	// closesAt is when the breaker closes by itself.
	// +optional
	ClosesAt *metav1.Time `json:"closesAt,omitempty"`
}

// ParentKey names the budget's parent. REQUIRES: it has one.
func (b *TenantBudget) ParentKey() types.NamespacedName {
	ref := b.Spec.ParentRef
	return types.NamespacedName{Namespace: cmp.Or(ref.Namespace, b.Namespace), Name: ref.Name}
}
