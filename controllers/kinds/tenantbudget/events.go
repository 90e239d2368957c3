package tenantbudget

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
)

// Events are the Events of the change from one status to the next.
func (s *scope) Events(before, after v1alpha1.TenantBudgetStatus) []events.Event {
	events := events.OfStatusChange(before.ProgrammedStatus, after.ProgrammedStatus)
	events = append(events, becameOvercommitted(before, after)...)
	events = append(events, alertsTurned(before, after)...)
	if s.usage == nil {
		return events
	}
	for _, limit := range s.usage.own().limits {
		events = append(events, s.usage.climbed(limit, find(before.Limits, limit.Name))...)
	}
	events = append(events, s.usage.breakerTurned(before)...)
	return append(events, s.usage.exhaustionTurned(before, after)...)
}

// alertsTurned is the Event of alerts that begin to fail, fail for another reason, or are
// delivered again.
func alertsTurned(before, after v1alpha1.TenantBudgetStatus) []events.Event {
	was := ptr.Deref(meta.FindStatusCondition(before.Conditions, v1alpha1.ConditionAlertsFailing), metav1.Condition{})
	is := ptr.Deref(meta.FindStatusCondition(after.Conditions, v1alpha1.ConditionAlertsFailing), metav1.Condition{})
	turned := events.Event{Action: "DeliverAlerts", Field: "spec.alerts", Turn: was.Reason + ", " + events.Since(was), Note: is.Reason + ": " + is.Message}
	switch {
	case is.Status == metav1.ConditionTrue && (was.Status != is.Status || was.Reason != is.Reason):
		turned.Type, turned.Reason = corev1.EventTypeWarning, v1alpha1.EventAlertsFailing
	case is.Status == metav1.ConditionFalse && was.Status == metav1.ConditionTrue:
		turned.Type, turned.Reason = corev1.EventTypeNormal, v1alpha1.EventAlertsDelivered
	default:
		return nil
	}
	return []events.Event{turned}
}

// climbed are the Events of the rungs that the limit has reached since before. A Trip rung is
// among them only if it blocks some of the tenant's calls; if it blocks all, the breaker's Event
// reports it.
func (u *usage) climbed(limit limitUsage, before v1alpha1.MoneyLimitStatus) []events.Event {
	var events []events.Event
	if rung, reached := u.own().newRung(limiterv1.Warn, limit, before); reached {
		events = append(events, budgetWarning(limit, rung))
	}
	if rung, reached := u.own().newRung(limiterv1.Downgrade, limit, before); reached {
		events = append(events, budgetDowngraded(limit, rung))
	}
	isForced := u.own().forced == limiterv1.BreakerClosed
	if rung, reached := u.own().newRung(limiterv1.Trip, limit, before); reached && limit.selects() && !isForced {
		events = append(events, u.limitTripped(limit, rung))
	}
	return events
}

func find(limits []v1alpha1.MoneyLimitStatus, name string) v1alpha1.MoneyLimitStatus {
	for _, limit := range limits {
		if limit.Name == name {
			return limit
		}
	}
	return v1alpha1.MoneyLimitStatus{}
}

// newRung is the highest rung of the action that the limit has reached, and whether that
// is new: before, the limit had not reached it in this period.
func (u *levelUsage) newRung(
	action limiterv1.Action, limit limitUsage, before v1alpha1.MoneyLimitStatus,
) (limiterv1.Rung, bool) {
	if limit.isNothing() {
		return limiterv1.Rung{}, false
	}
	samePeriod := before.ResetsAt.Unix() == limit.resetsAt.Unix()
	for i := len(u.ladder) - 1; i >= 0; i-- {
		rung := u.ladder[i]
		if rung.Action != action || !limiterv1.Reached(limit.spent, rung.Amount(limit.MoneyLimit)) {
			continue
		}
		// A rung is reached at exactly its percentage, rounded down.
		known := samePeriod && before.Rung != "" && before.Percent >= int64(rung.AtPercent)
		return rung, !known
	}
	return limiterv1.Rung{}, false
}

// breakerTurned are the Events of the breaker, if it has opened or closed, or has been forced to.
func (u *usage) breakerTurned(before v1alpha1.TenantBudgetStatus) []events.Event {
	was := v1alpha1.BreakerStatus{State: v1alpha1.BreakerClosed}
	if before.Breaker != nil {
		was = *before.Breaker
	}
	is := u.breaker()
	var events []events.Event
	if is.forced {
		if !was.Forced || was.State != is.state {
			events = append(events, u.breakerForced(was))
		}
		return events
	}
	if was.Forced {
		events = append(events, breakerReleased(was))
	}
	wasOpen := was.State == v1alpha1.BreakerOpen && !was.Forced
	if wasOpen && (is.limit == nil || u.hasClosed(was)) {
		events = append(events, breakerClosed(was, u.whyClosed(was, before.Limits)))
		wasOpen = false
	}
	if is.limit != nil && !wasOpen {
		opened := u.breakerOpened(*is.limit)
		opened.Turn = fmt.Sprintf("%s; %s until %d", turnOf(was), is.limit.Amount, is.limit.resetsAt.Unix())
		events = append(events, opened)
	}
	return events
}

// hasClosed reports whether a breaker that a limit held open has closed since: the
// period turned. If it is open now, it has opened again in between.
func (u *usage) hasClosed(was v1alpha1.BreakerStatus) bool {
	return was.State == v1alpha1.BreakerOpen && !was.Forced && was.ClosesAt != nil && !u.own().now.Before(was.ClosesAt.Time)
}

// turnOf identifies a transition of a breaker by its previous state.
func turnOf(was v1alpha1.BreakerStatus) string {
	return fmt.Sprintf("%s %t since %s", was.State, was.Forced, rfc3339(was.Since))
}

// whyClosed is why a breaker that was open is not any more.
func (u *usage) whyClosed(open v1alpha1.BreakerStatus, limits []v1alpha1.MoneyLimitStatus) string {
	if u.hasClosed(open) {
		return "a new period began"
	}
	if open.Tenant != "" {
		return fmt.Sprintf("tenant %s, which owns the limit, has more to spend", open.Tenant)
	}
	for _, limit := range u.own().limits {
		if limit.Name != open.Limit {
			continue
		}
		before := find(limits, open.Limit)
		amount, _ := money.Parse(before.Amount)
		spent, _ := money.Parse(before.Spent)
		switch {
		case limit.Amount > amount:
			return fmt.Sprintf("the limit was raised from %s to %s USD", before.Amount, limit.Amount)
		case limit.spent < spent:
			return fmt.Sprintf("the spending counted fell from %s to %s USD", before.Spent, limit.spent)
		}
		return "the ladder was changed"
	}
	return "the limit was removed"
}

// turn identifies the reaching of a rung, once for each period and amount, as for an alert.
func (l limitUsage) turn(rung limiterv1.Rung) string {
	return fmt.Sprintf("%d%% of %s until %d", rung.AtPercent, l.Amount, l.resetsAt.Unix())
}

func budgetWarning(limit limitUsage, rung limiterv1.Rung) events.Event {
	return events.Event{
		Type: corev1.EventTypeWarning, Reason: v1alpha1.EventBudgetWarning, Action: "Warn", Field: fieldOf(limit.Name),
		Turn: limit.turn(rung),
		Note: fmt.Sprintf("limit %s has reached its %d%% rung: %s; resets at %s",
			limit.Name, rung.AtPercent, spentOf(limit), limit.resetsAt.Format(time.RFC3339)),
	}
}

func budgetDowngraded(limit limitUsage, rung limiterv1.Rung) events.Event {
	return events.Event{
		Type: corev1.EventTypeWarning, Reason: v1alpha1.EventBudgetDowngraded, Action: "Downgrade", Field: fieldOf(limit.Name),
		Turn: limit.turn(rung),
		Note: fmt.Sprintf("limit %s has reached its %d%% rung: %s; cheaper models are called until %s",
			limit.Name, rung.AtPercent, spentOf(limit), limit.resetsAt.Format(time.RFC3339)),
	}
}

func (u *usage) limitTripped(limit limitUsage, rung limiterv1.Rung) events.Event {
	return events.Event{
		Type: corev1.EventTypeWarning, Reason: v1alpha1.EventLimitTripped, Action: "Trip", Field: fieldOf(limit.Name),
		Turn: limit.turn(rung),
		Note: fmt.Sprintf("limit %s has reached its %d%% rung: %s; paid calls that count against it%s %s",
			limit.Name, rung.AtPercent, spentOf(limit), u.refusedPast(limit), limit.until()),
	}
}

func (u *usage) breakerOpened(limit limitUsage) events.Event {
	return events.Event{
		Type: corev1.EventTypeWarning, Reason: v1alpha1.EventBreakerOpened, Action: "OpenBreaker", Field: u.fieldOf(limit),
		Note: fmt.Sprintf("limit %s%s has reached the Trip rung: %s; paid calls%s %s",
			limit.Name, u.ofTenant(limit.tenant), spentOf(limit), u.refusedPast(limit), limit.until()),
	}
}

// fieldOf is the field of the tenant's budget from which a limit comes, be it its own
// or inherited.
func (u *usage) fieldOf(limit limitUsage) string {
	if limit.tenant != u.own().tenant {
		return "spec.parentRef"
	}
	return fieldOf(limit.Name)
}

func (u *usage) breakerForced(was v1alpha1.BreakerStatus) events.Event {
	return events.Event{
		Type: corev1.EventTypeWarning, Reason: v1alpha1.EventBreakerForced, Action: "ForceBreaker", Field: "spec.breaker.forced",
		Turn: turnOf(was),
		Note: u.breakerOpen().Message,
	}
}

func breakerReleased(was v1alpha1.BreakerStatus) events.Event {
	return events.Event{
		Type: corev1.EventTypeNormal, Reason: v1alpha1.EventBreakerReleased, Action: "ReleaseBreaker", Field: "spec.breaker.forced",
		Turn: turnOf(was),
		Note: fmt.Sprintf("the breaker is no longer forced %s; it had been %s since %s", was.State, was.State, rfc3339(was.Since)),
	}
}

func breakerClosed(open v1alpha1.BreakerStatus, why string) events.Event {
	return events.Event{
		Type: corev1.EventTypeNormal, Reason: v1alpha1.EventBreakerClosed, Action: "CloseBreaker", Field: fieldOf(open.Limit),
		Turn: turnOf(open),
		Note: fmt.Sprintf("limit %s no longer keeps the breaker open: %s; it had been open since %s", open.Limit, why, rfc3339(open.Since)),
	}
}

func spentOf(limit limitUsage) string {
	return fmt.Sprintf("%s of %s USD spent (%d%%)", limit.spent, limit.Amount, limit.percent())
}

func fieldOf(limit string) string { return fmt.Sprintf("spec.limits{%s}", limit) }

func rfc3339(t *metav1.Time) string {
	if t == nil {
		return "an unknown time"
	}
	return t.UTC().Format(time.RFC3339)
}
