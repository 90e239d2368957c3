package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
// +kubebuilder:printcolumn:name="Breaker",type=string,JSONPath=`.status.breaker.state`
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
	// +kubebuilder:validation:XValidation:rule="self.all(limit, self.filter(other, other.period == limit.period && other.per == limit.per).size() == 1)",message="must not have two limits with the same period and per: the smaller alone would count"
	// +listType=map
	// +listMapKey=name
	// +required
	Limits []MoneyLimit `json:"limits"`

	// ladder is what happens as a limit is used up. The rungs apply to every
	// limit of the tenant: one of per: Tenant trips the breaker of the tenant, one
	// of per: User stops that user alone. An empty list means that nothing happens
	// before the limit itself is reached.
	// +kubebuilder:default={{atPercent:80,action:Warn},{atPercent:90,action:Trip}}
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(rung, self.filter(other, other.atPercent == rung.atPercent).size() == 1)",message="must not have two rungs at the same atPercent"
	// +kubebuilder:validation:XValidation:rule="self.filter(rung, rung.action == 'Trip').size() <= 1",message="must have at most one rung with action Trip"
	// +listType=atomic
	// +optional
	Ladder []Rung `json:"ladder"`
}

// MoneyLimit is an amount of money that may be spent in each period.
type MoneyLimit struct {
	// name tells the limit from the others of the budget.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be lower-case letters, digits and hyphens, such as \"daily\""
	// +required
	Name string `json:"name"`
	// period is how often the amount becomes available anew.
	// +kubebuilder:validation:Enum=Minute;Hour;Day;Week;Month;Quarter;Year
	// +required
	Period string `json:"period"`
	// amount is how much may be spent in each period, in US dollars.
	// +required
	Amount Amount `json:"amount"`
	// per says whether the amount is for the whole tenant or for each user.
	// +kubebuilder:default=Tenant
	// +optional
	Per Scope `json:"per,omitempty"`
}

// Action is what happens at a rung of the ladder.
//
// +kubebuilder:validation:Enum=Warn;Trip
type Action string

// The actions of a rung.
const (
	// ActionWarn raises an Event; calls go on.
	ActionWarn Action = "Warn"
	// ActionTrip opens the breaker: no further paid call is admitted until the
	// period turns or the limit is raised.
	ActionTrip Action = "Trip"
)

// Rung is what happens when a limit is used up to a percentage.
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
	// amount is the limit in US dollars.
	Amount string `json:"amount"`
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
}

// NearestLimit is the limit that is used most.
type NearestLimit struct {
	// name is the limit's name in the spec.
	Name string `json:"name"`
	// spent is what settled calls cost in this period, in US dollars.
	Spent string `json:"spent"`
	// amount is the limit in US dollars.
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
	// state is Open while the tenant's paid calls are refused.
	State BreakerState `json:"state"`
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
