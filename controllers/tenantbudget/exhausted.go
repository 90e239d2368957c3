package tenantbudget

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/announce"
	"github.com/bursar-dev/bursar/controllers/conditions"
)

// exhausted is whether a limit that every call of the tenant counts against has
// nothing left. What is held does not count: it may come back.
func (u *usage) exhausted() conditions.Verdict {
	var last *limitUsage
	for _, limit := range u.all() {
		if limit.spent >= limit.Amount && !limit.selects() && (last == nil || limit.resetsAt.After(last.resetsAt)) {
			last = limit
		}
	}
	if last == nil {
		return conditions.Verdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonAmountLeft,
			Message: "no limit of the tenant is spent in full"}
	}
	return conditions.Verdict{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAmountSpent,
		Message: fmt.Sprintf("limit %s%s is spent in full: paid calls %s until %s, or until the limit is raised",
			last.Name, u.ofTenant(last.tenant), u.refused(), last.resetsAt.Format(time.RFC3339))}
}

// exhaustionTurned is the Event of the tenant having nothing left, or something again.
func exhaustionTurned(before, after v1alpha1.TenantBudgetStatus) []announce.Event {
	was := meta.IsStatusConditionTrue(before.Conditions, v1alpha1.ConditionExhausted)
	is := meta.FindStatusCondition(after.Conditions, v1alpha1.ConditionExhausted)
	switch {
	case is.Status == metav1.ConditionTrue && !was:
		return []announce.Event{{Type: corev1.EventTypeWarning, Reason: v1alpha1.EventBudgetExhausted,
			Action: "Exhaust", Field: "spec.limits", Note: is.Message}}
	case is.Status == metav1.ConditionFalse && was:
		return []announce.Event{{Type: corev1.EventTypeNormal, Reason: v1alpha1.EventBudgetRecovered,
			Action: "Recover", Field: "spec.limits", Note: is.Message}}
	}
	return nil
}
