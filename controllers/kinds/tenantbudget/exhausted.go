package tenantbudget

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// exhausted is the verdict on whether a limit that every call of the tenant counts against
// is fully spent. Holds do not count: they may be released.
func (u *usage) exhausted() verdict.Verdict {
	last := u.last(func(limit *limitUsage) bool { return limit.Exhausted(limit.spent) && !limit.selects() })
	if last == nil {
		return verdict.Verdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonAmountLeft,
			Message: "no limit of the tenant is fully spent"}
	}
	return verdict.Verdict{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAmountSpent,
		Message: fmt.Sprintf("limit %s%s is fully spent: paid calls %s %s",
			last.Name, u.ofTenant(last.tenant), refused(last.shadow), last.until())}
}

// exhaustionTurned is the Event that the tenant has nothing left, or has something again.
// If another limit is fully spent, or it is another period, that is news as well.
func (u *usage) exhaustionTurned(before, after v1alpha1.TenantBudgetStatus) []events.Event {
	is := meta.FindStatusCondition(after.Conditions, v1alpha1.ConditionExhausted)
	was := meta.FindStatusCondition(before.Conditions, v1alpha1.ConditionExhausted)
	if was == nil {
		was = &metav1.Condition{}
	}
	wasExhausted, isSame := was.Status == metav1.ConditionTrue, was.Message == is.Message
	if was.Status == metav1.ConditionUnknown {
		// Redis did not answer. The limits are as they were last known.
		wasExhausted, isSame = u.wereExhausted(before.Limits), true
	}
	event := events.Event{Type: corev1.EventTypeWarning, Reason: v1alpha1.EventBudgetExhausted,
		Action: "Exhaust", Field: "spec.limits", Note: is.Message, Turn: events.Since(*was) + "; " + is.Message}
	switch {
	case is.Status == metav1.ConditionTrue && (!wasExhausted || !isSame):
		return []events.Event{event}
	case is.Status == metav1.ConditionFalse && wasExhausted:
		event.Type, event.Reason, event.Action = corev1.EventTypeNormal, v1alpha1.EventBudgetRecovered, "Recover"
		return []events.Event{event}
	}
	return nil
}

// wereExhausted reports whether one of the tenant's own limits that every call counts
// against was fully spent.
func (u *usage) wereExhausted(before []v1alpha1.MoneyLimitStatus) bool {
	return slices.ContainsFunc(u.own().limits, func(limit limitUsage) bool {
		was := find(before, limit.Name)
		spent, err := money.Parse(was.Spent)
		amount, errAmount := money.Parse(was.Amount)
		return err == nil && errAmount == nil && limiterv1.MoneyLimit{Amount: amount}.Exhausted(spent) && !limit.selects()
	})
}
