package tenantbudget

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// breaker is whether the tenant's paid calls are stopped, and by whose breaker.
type breaker struct {
	state v1alpha1.BreakerState
	// forced is set when a spec says so.
	forced bool
	// tenant is whose breaker it is.
	tenant string
	// limit is what holds it open; nil when it is closed or forced.
	limit *limitUsage
}

// breaker is what follows for the tenant from its own breaker and from those of its
// ancestors: one that is open is enough.
func (u *usage) breaker() breaker {
	for _, level := range u.levels {
		if level.forced == limiterv1.BreakerOpen {
			return breaker{state: v1alpha1.BreakerOpen, forced: true, tenant: level.tenant}
		}
	}
	if limit := u.tripped(); limit != nil {
		return breaker{state: v1alpha1.BreakerOpen, tenant: limit.tenant, limit: limit}
	}
	own := u.own()
	return breaker{state: v1alpha1.BreakerClosed, forced: own.forced == limiterv1.BreakerClosed, tenant: own.tenant}
}

// summary is what the columns of kubectl get say of the breaker.
func (b breaker) summary(own string) string {
	why := ""
	switch isOwn := b.tenant == own; {
	case b.forced && isOwn:
		why = " (forced)"
	case b.forced:
		why = " (parent, forced)"
	case !isOwn:
		why = " (parent)"
	}
	return string(b.state) + why
}

// refused says what becomes of calls that the breaker stops.
func (u *usage) refused() string {
	if u.shadow {
		return "would be refused without Shadow"
	}
	return "are refused"
}

// refusedPast is refused where a limit has reached the Trip rung: the tenant's
// fallbacks may let calls of the cheapest model continue, even if the limit is an ancestor's.
// While the breaker is forced open, only calls that cost nothing continue.
func (u *usage) refusedPast() string {
	if slices.ContainsFunc(u.own().ladder, fallsBackToCheapestModel) && !u.shadow {
		return ", except those that the fallback CheapestModel serves, " + u.refused()
	}
	return " " + u.refused()
}

func fallsBackToCheapestModel(rung limiterv1.Rung) bool {
	return slices.ContainsFunc(rung.Fallbacks, func(f limiterv1.Fallback) bool { return f.Kind == limiterv1.CheapestModel })
}

func (u *usage) breakerOpen() verdict.Verdict {
	b := u.breaker()
	switch {
	case b.forced && b.state == v1alpha1.BreakerClosed:
		return verdict.Verdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonForced,
			Message: "spec.breaker.forced keeps the breaker closed, whatever is spent"}
	case b.forced:
		return verdict.Verdict{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonForced,
			Message: fmt.Sprintf("spec.breaker.forced%s keeps the breaker open: paid calls %s until it is removed",
				u.ofTenant(b.tenant), u.refused())}
	case b.limit == nil:
		return verdict.Verdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonBelowTripRung,
			Message: "no limit of the tenant has reached the Trip rung"}
	}
	return verdict.Verdict{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonTripRungReached,
		Message: fmt.Sprintf("limit %s%s has reached the Trip rung: paid calls%s %s",
			b.limit.Name, u.ofTenant(b.tenant), u.refusedPast(), b.limit.until())}
}

// ofTenant names a tenant that is not the one whose usage it is.
func (u *usage) ofTenant(tenant string) string {
	if tenant == u.own().tenant {
		return ""
	}
	return " of tenant " + tenant
}
