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
	// forced is set if a spec forces the state.
	forced bool
	// reason is why it is forced, in the owner's words; empty if that is not said.
	reason string
	// tenant is the tenant whose breaker it is.
	tenant string
	// shadow is set if it refuses nothing although it is open.
	shadow bool
	// limit is the limit that holds it open; nil if it is closed or forced.
	limit *limitUsage
}

// breaker is the breaker that counts for the tenant, of its own and those of its ancestors: an
// open one if there is any, and one in shadow only if there is no other.
func (u *usage) breaker() breaker {
	limit, own := u.tripped(), u.own()
	for _, inShadow := range []bool{false, true} {
		for _, level := range u.levels {
			if level.forced == limiterv1.BreakerOpen && level.shadow == inShadow {
				return breaker{state: v1alpha1.BreakerOpen, forced: true, reason: level.reason, tenant: level.tenant, shadow: inShadow}
			}
		}
		if limit != nil && limit.shadow == inShadow {
			return breaker{state: v1alpha1.BreakerOpen, tenant: limit.tenant, limit: limit, shadow: inShadow}
		}
	}
	return breaker{state: v1alpha1.BreakerClosed, forced: own.forced == limiterv1.BreakerClosed, reason: own.reason, tenant: own.tenant}
}

// summary is the breaker's text in the columns of kubectl get.
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

// why is the owner's reason behind a message.
func (b breaker) why() string {
	if b.reason == "" {
		return ""
	}
	return "; reason: " + b.reason
}

// refused says what happens to calls that a breaker or a limit blocks.
func refused(inShadow bool) string {
	if inShadow {
		return "would be refused without Shadow"
	}
	return "are refused"
}

// refusedPast is refused for a limit that has reached the Trip rung: calls of the cheapest
// model continue if the tenant's fallbacks allow that and, if the limit is an ancestor's,
// the ancestor's fallbacks do, too. While the breaker is forced open, only calls that cost
// nothing continue.
func (u *usage) refusedPast(limit limitUsage) string {
	goesOn := !limit.shadow
	for i, level := range u.levels {
		if i == 0 || level.tenant == limit.tenant {
			goesOn = goesOn && slices.ContainsFunc(level.ladder, fallsBackToCheapestModel)
		}
	}
	if goesOn {
		return ", except those that the fallback CheapestModel serves, " + refused(false)
	}
	return " " + refused(limit.shadow)
}

func fallsBackToCheapestModel(rung limiterv1.Rung) bool {
	return slices.ContainsFunc(rung.Fallbacks, func(f limiterv1.Fallback) bool { return f.Kind == limiterv1.CheapestModel })
}

func (u *usage) breakerOpen() verdict.Verdict {
	b := u.breaker()
	switch {
	case b.forced && b.state == v1alpha1.BreakerClosed:
		return verdict.Verdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonForced,
			Message: "spec.breaker.forced keeps the breaker closed, whatever is spent" + b.why()}
	case b.forced:
		return verdict.Verdict{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonForced,
			Message: fmt.Sprintf("spec.breaker.forced%s keeps the breaker open: paid calls %s until it is removed%s",
				u.ofTenant(b.tenant), refused(b.shadow), b.why())}
	case b.limit == nil:
		return verdict.Verdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonBelowTripRung,
			Message: "no limit of the tenant has reached the Trip rung"}
	}
	return verdict.Verdict{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonTripRungReached,
		Message: fmt.Sprintf("limit %s%s has reached the Trip rung: paid calls%s %s",
			b.limit.Name, u.ofTenant(b.tenant), u.refusedPast(*b.limit), b.limit.until())}
}

// ofTenant names a tenant that is not the one whose usage it is.
func (u *usage) ofTenant(tenant string) string {
	if tenant == u.own().tenant {
		return ""
	}
	return " of tenant " + tenant
}
