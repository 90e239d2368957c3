package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TenantBudgetStatus is the observed state of a TenantBudget.
type TenantBudgetStatus struct {
	ProgrammedStatus `json:",inline"`

	// path is the tenants from the top of the budget tree down to this one, such as "acme/sales", as the budget was last accepted. Unset: it was not accepted yet.
	// +optional
	Path string `json:"path,omitempty"`
	// limits are the tenant's own limits with per: Tenant, and how much of each is used.
	// +listType=map
	// +listMapKey=name
	// +optional
	Limits []MoneyLimitStatus `json:"limits,omitempty"`
	// nearest is the limit of which the largest percentage is used, for the columns of kubectl get.
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
	// held is the most that open calls may cost, in US dollars.
	Held string `json:"held"`
	// inCurrency has the same in the budget's currency. Unset: the budget has none, so amounts are written in US dollars.
	// +optional
	InCurrency *FiguresInCurrency `json:"inCurrency,omitempty"`
	// percent is spent as a percentage of amount, rounded down.
	Percent int64 `json:"percent"`
	// rung is Warn, Downgrade or Trip: the action of the highest rung reached in this period. Unset: none is reached.
	// +optional
	Rung Action `json:"rung,omitempty"`
	// resetsAt is when the period turns and spent starts again at zero.
	ResetsAt metav1.Time `json:"resetsAt"`
	// exhaustsAt is a forecast of when the amount will be used up if spending continues as in the last minutes: at most ten minutes, and at most a quarter of the period. It is exact to the minute within the next hour, and coarser beyond. Unset: no sign that the amount will be used up before resetsAt.
	// +optional
	ExhaustsAt *metav1.Time `json:"exhaustsAt,omitempty"`
}

// FiguresInCurrency are the figures of a limit in the currency that its amount is written in.
type FiguresInCurrency struct {
	// code is the currency's code, such as "EUR".
	Code string `json:"code"`
	// amount is the limit as it is written, or what it is worth with active grants, at the declared rate; not in US dollars.
	Amount string `json:"amount"`
	// spent is the cost of settled calls in this period at the declared rate, rounded up; it is counted in US dollars.
	Spent string `json:"spent"`
	// held is the most that open calls may cost at the declared rate, rounded up; it is counted in US dollars.
	Held string `json:"held"`
}

// NearestLimit is the limit of which the largest percentage is used.
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
	// state is Open while the tenant's paid calls are refused, except for those that the fallbacks of the ladder allow; otherwise Closed.
	State BreakerState `json:"state"`
	// summary is the state and its cause, for the columns of kubectl get, such as "Open (forced)" or "Open (parent)".
	// +optional
	Summary string `json:"summary,omitempty"`
	// forced is true while spec.breaker.forced of the tenant or of one of its ancestors decides the state.
	// +optional
	Forced bool `json:"forced,omitempty"`
	// tenant is the ancestor whose breaker is open or forced. Unset: it is the tenant's own.
	// +optional
	Tenant string `json:"tenant,omitempty"`
	// limit is the name of the limit that opened the breaker. Unset: no limit opened it.
	// +optional
	Limit string `json:"limit,omitempty"`
	// since is when the breaker was first seen in this state.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
	// closesAt is when the breaker closes by itself. Unset: it is closed, or does not close by itself.
	// +optional
	ClosesAt *metav1.Time `json:"closesAt,omitempty"`
}
