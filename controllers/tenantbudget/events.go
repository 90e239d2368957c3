package tenantbudget

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/announce"
)

// happened are the Events of the way from one status to the next.
func (s *scope) happened(before, after v1alpha1.TenantBudgetStatus) []announce.Event {
	events := announce.Of(before.ProgrammedStatus, after.ProgrammedStatus)
	if s.usage == nil {
		return events
	}
	for _, limit := range s.usage.limits {
		if rung, reached := s.usage.newWarning(limit, find(before.Limits, limit.Name)); reached {
			events = append(events, budgetWarning(limit, rung))
		}
	}
	return append(events, s.usage.breakerTurned(before)...)
}

func find(limits []v1alpha1.MoneyLimitStatus, name string) v1alpha1.MoneyLimitStatus {
	for _, limit := range limits {
		if limit.Name == name {
			return limit
		}
	}
	return v1alpha1.MoneyLimitStatus{}
}

// newWarning is the highest Warn rung that the limit has reached and had not
// reached when it was as before, in this period.
func (u *usage) newWarning(limit limitUsage, before v1alpha1.MoneyLimitStatus) (limiterv1.Rung, bool) {
	samePeriod := before.ResetsAt.Unix() == limit.resetsAt.Unix()
	for i := len(u.ladder) - 1; i >= 0; i-- {
		rung := u.ladder[i]
		if rung.Action != limiterv1.Warn || limit.spent < rung.Reached(limit.MoneyLimit) {
			continue
		}
		// A rung is reached at exactly its percentage, rounded down.
		known := samePeriod && before.Rung != "" && before.Percent >= int64(rung.AtPercent)
		return rung, !known
	}
	return limiterv1.Rung{}, false
}

// breakerTurned is the Event of the breaker's turn, if it has turned.
func (u *usage) breakerTurned(before v1alpha1.TenantBudgetStatus) []announce.Event {
	wasOpen := before.Breaker != nil && before.Breaker.State == v1alpha1.BreakerOpen
	tripped := u.tripped()
	switch {
	case tripped != nil && !wasOpen:
		return []announce.Event{breakerOpened(*tripped)}
	case tripped == nil && wasOpen:
		return []announce.Event{breakerClosed(*before.Breaker, u.whyClosed(*before.Breaker, before.Limits))}
	}
	return nil
}

// whyClosed is why a breaker that was open is not any more.
func (u *usage) whyClosed(open v1alpha1.BreakerStatus, limits []v1alpha1.MoneyLimitStatus) string {
	if open.ClosesAt != nil && !u.now.Before(open.ClosesAt.Time) {
		return "the period turned"
	}
	for _, limit := range u.limits {
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
			return fmt.Sprintf("%s USD were counted as spent, and now %s are", before.Spent, limit.spent)
		}
		return "the ladder was changed"
	}
	return "the limit was taken away"
}

func budgetWarning(limit limitUsage, rung limiterv1.Rung) announce.Event {
	return announce.Event{
		Type: corev1.EventTypeWarning, Reason: v1alpha1.EventBudgetWarning, Action: "Warn", Field: fieldOf(limit.Name),
		Note: fmt.Sprintf("limit %s has reached its %d%% rung: %s; resets at %s",
			limit.Name, rung.AtPercent, spentOf(limit), limit.resetsAt.Format(time.RFC3339)),
	}
}

func breakerOpened(limit limitUsage) announce.Event {
	return announce.Event{
		Type: corev1.EventTypeWarning, Reason: v1alpha1.EventBreakerOpened, Action: "OpenBreaker", Field: fieldOf(limit.Name),
		Note: fmt.Sprintf("limit %s has reached the Trip rung: %s; paid calls are refused until %s, or until the limit is raised",
			limit.Name, spentOf(limit), limit.resetsAt.Format(time.RFC3339)),
	}
}

func breakerClosed(open v1alpha1.BreakerStatus, why string) announce.Event {
	return announce.Event{
		Type: corev1.EventTypeNormal, Reason: v1alpha1.EventBreakerClosed, Action: "CloseBreaker", Field: fieldOf(open.Limit),
		Note: fmt.Sprintf("limit %s no longer holds it open: %s; it was open since %s", open.Limit, why, rfc3339(open.Since)),
	}
}

func spentOf(limit limitUsage) string {
	return fmt.Sprintf("%s of %s USD spent (%d%%)", limit.spent, limit.Amount, limit.percent())
}

func fieldOf(limit string) string { return fmt.Sprintf("spec.limits{%s}", limit) }

func rfc3339(t *metav1.Time) string {
	if t == nil {
		return "a time that is not known"
	}
	return t.UTC().Format(time.RFC3339)
}
