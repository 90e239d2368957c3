package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TenantBudgetStatus is the observed state of a TenantBudget.
type TenantBudgetStatus struct {
	ProgrammedStatus `json:",inline"`

	// path lists the tenants from the root of the budget tree down to this one, such as "acme/sales", as of the last accepted generation. Unset: the budget has not been accepted yet.
	// +optional
	Path string `json:"path,omitempty"`
	// limits are the tenant's own limits with per: Tenant, and how much of each is used.
	// +listType=map
	// +listMapKey=name
	// +optional
	Limits []MoneyLimitStatus `json:"limits,omitempty"`
	// nearest is the limit with the largest percentage used, for the columns of kubectl get.
	// +optional
	Nearest *NearestLimit `json:"nearest,omitempty"`
	// breaker is the state of the tenant's breaker.
	// +optional
	Breaker *BreakerStatus `json:"breaker,omitempty"`
}

// MoneyLimitStatus is how much of a limit is used in the current period.
type MoneyLimitStatus struct {
	// name is the name of the limit in the spec.
	Name string `json:"name"`
	// amount is the limit in US dollars: the amount in the spec plus active grants. The rungs of the ladder are percentages of it.
	Amount string `json:"amount"`
	// granted is the part of amount that active BudgetGrants add, in US dollars. Unset: they add nothing.
	// +optional
	Granted string `json:"granted,omitempty"`
	// spent is the cost of settled calls in this period, in US dollars.
	Spent string `json:"spent"`
	// held is the maximum that open calls may cost, in US dollars.
	Held string `json:"held"`
	// inCurrency shows the same figures in the budget's currency. Unset: the budget has no currency, and its amounts are in US dollars.
	// +optional
	InCurrency *FiguresInCurrency `json:"inCurrency,omitempty"`
	// percent is spent as a percentage of amount, rounded down.
	Percent int64 `json:"percent"`
	// rung is the action of the highest rung reached in this period: Warn, Downgrade or Trip. Unset: no rung is reached.
	// +optional
	Rung Action `json:"rung,omitempty"`
	// resetsAt is when the period turns and spent starts again at zero.
	ResetsAt metav1.Time `json:"resetsAt"`
	// exhaustsAt is a forecast of when the amount will be used up if spending continues as in the last minutes: at most ten minutes, and at most a quarter of the period. It is exact to the minute within the next hour, and coarser beyond. Unset: nothing suggests that the amount will be used up before resetsAt.
	// +optional
	ExhaustsAt *metav1.Time `json:"exhaustsAt,omitempty"`
}

// FiguresInCurrency are the figures of a limit in the currency that its amount is written in.
type FiguresInCurrency struct {
	// code is the currency's code, such as "EUR".
	Code string `json:"code"`
	// amount is the limit as written in the spec or, with active grants, what the limit and its grants are worth at the declared rate. It is not in US dollars.
	Amount string `json:"amount"`
	// spent is the cost of settled calls in this period, converted from US dollars at the declared rate and rounded up.
	Spent string `json:"spent"`
	// held is the maximum that open calls may cost, converted from US dollars at the declared rate and rounded up.
	Held string `json:"held"`
}

// NearestLimit is the limit with the largest percentage used.
type NearestLimit struct {
	// name is the name of the limit in the spec.
	Name string `json:"name"`
	// spent is the cost of settled calls in this period, in US dollars.
	Spent string `json:"spent"`
	// amount is the limit in US dollars, including active grants.
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
	// state is Open while the tenant's paid calls are refused, except those that the ladder's fallbacks allow; otherwise Closed.
	State BreakerState `json:"state"`
	// summary is the state and its cause, for the columns of kubectl get, such as "Open (forced)" or "Open (parent)".
	// +optional
	Summary string `json:"summary,omitempty"`
	// forced is true while spec.breaker.forced of the tenant or of one of its ancestors decides the state.
	// +optional
	Forced bool `json:"forced,omitempty"`
	// tenant is the ancestor whose breaker is open or forced. Unset: the breaker is the tenant's own.
	// +optional
	Tenant string `json:"tenant,omitempty"`
	// limit is the name of the limit that opened the breaker. Unset: no limit opened it.
	// +optional
	Limit string `json:"limit,omitempty"`
	// since is when the breaker was first observed in this state.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
	// closesAt is when the breaker closes by itself. Unset: it is closed, or will not close by itself.
	// +optional
	ClosesAt *metav1.Time `json:"closesAt,omitempty"`
}
