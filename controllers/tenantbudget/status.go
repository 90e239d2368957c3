package tenantbudget

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	applyv1alpha1 "github.com/bursar-dev/bursar/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/announce"
	"github.com/bursar-dev/bursar/controllers/apply"
	"github.com/bursar-dev/bursar/controllers/conditions"
	"github.com/bursar-dev/bursar/controllers/requeue"
)

// poll is how often counters are read when nothing is heard of them.
const poll = 10 * time.Second

// afterReset is how long after a period's end the turn is looked at, at most.
const afterReset = 250 * time.Millisecond

// report writes the status, if it differs from what is there, and tells what has
// happened from the one to the other.
func (c *Controller) report(ctx context.Context, s *scope) error {
	before, after := s.budget.Status, s.status()
	if equality.Semantic.DeepEqual(before, after) {
		return nil
	}
	status, err := apply.Configuration[applyv1alpha1.TenantBudgetStatusApplyConfiguration](after)
	if err != nil {
		return err
	}
	configuration := applyv1alpha1.TenantBudget(s.budget.Name, s.budget.Namespace).
		WithResourceVersion(s.budget.ResourceVersion).WithStatus(status)
	if err := apply.Status(ctx, c.client, configuration); err != nil {
		return err
	}
	announce.Tell(c.recorder, kind, s.budget, *configuration.ResourceVersion, s.happened(before, after))
	return nil
}

// status is what is to be said of the budget, on every path.
func (s *scope) status() v1alpha1.TenantBudgetStatus {
	ready := conditions.Ready(s.accepted, s.rollout.Programmed(s.accepted))
	breakerOpen := conditions.Typed{Type: v1alpha1.ConditionBreakerOpen, Verdict: s.breakerOpen()}
	status := v1alpha1.TenantBudgetStatus{
		ProgrammedStatus: s.rollout.Common(s.budget, s.now, s.accepted, ready, breakerOpen),
	}
	switch {
	case s.usage != nil:
		status.Limits = s.limits()
		status.Nearest = s.nearest()
		status.Breaker = s.breaker()
	case s.rollout.Err != nil:
		// What was last known stays, with conditions that say that it may be old. It is
		// what a later status is compared with to see what has happened.
		status.Limits = s.budget.Status.Limits
		status.Nearest = s.budget.Status.Nearest
		status.Breaker = s.budget.Status.Breaker
	}
	return status
}

func (s *scope) limits() []v1alpha1.MoneyLimitStatus {
	var limits []v1alpha1.MoneyLimitStatus
	for _, limit := range s.usage.limits {
		limits = append(limits, v1alpha1.MoneyLimitStatus{
			Name:     limit.Name,
			Amount:   limit.Amount.String(),
			Spent:    limit.spent.String(),
			Held:     limit.held.String(),
			Percent:  limit.percent(),
			Rung:     v1alpha1.Action(limit.rung),
			ResetsAt: localTime(limit.resetsAt),
		})
	}
	return limits
}

func (s *scope) nearest() *v1alpha1.NearestLimit {
	limit := s.usage.nearest()
	if limit == nil {
		return nil
	}
	return &v1alpha1.NearestLimit{
		Name:   limit.Name,
		Spent:  limit.spent.String(),
		Amount: limit.Amount.String(),
		Used:   fmt.Sprintf("%d%%", limit.percent()),
	}
}

func (s *scope) breaker() *v1alpha1.BreakerStatus {
	breaker := &v1alpha1.BreakerStatus{State: v1alpha1.BreakerClosed, Since: ptr.To(localTime(s.now))}
	if limit := s.usage.tripped(); limit != nil {
		breaker.State = v1alpha1.BreakerOpen
		breaker.Limit = limit.Name
		breaker.ClosesAt = ptr.To(localTime(limit.resetsAt))
	}
	if before := s.budget.Status.Breaker; before != nil && before.State == breaker.State {
		breaker.Since = before.Since
	}
	return breaker
}

func (s *scope) breakerOpen() conditions.Verdict {
	switch {
	case s.usage == nil && s.rollout.Err != nil:
		return conditions.Verdict{Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonUnknown,
			Message: "Redis does not answer: the breaker is as the enforcers find it"}
	case s.usage == nil:
		return conditions.Verdict{Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonUnknown,
			Message: "no configuration of this budget is in force"}
	}
	limit := s.usage.tripped()
	if limit == nil {
		return conditions.Verdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonBelowTripRung,
			Message: "no limit of the tenant has reached the Trip rung"}
	}
	return conditions.Verdict{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonTripRungReached,
		Message: fmt.Sprintf("limit %s has reached the Trip rung: paid calls are refused until %s, or until the limit is raised",
			limit.Name, limit.resetsAt.Format(time.RFC3339))}
}

// localTime is a time as it comes back from the API server, where it has whole
// seconds and this machine's zone.
func localTime(t time.Time) metav1.Time { return metav1.NewTime(t).Rfc3339Copy() }

// lookAgain is when there will be something to see: at the next poll, when a period
// turns, or while enforcers are about to follow.
func (s *scope) lookAgain() time.Duration {
	pause := requeue.Jittered(poll)
	if s.usage != nil {
		if reset, ok := s.usage.nextReset(); ok {
			pause = min(pause, reset.Sub(s.usage.now)+rand.N(afterReset))
		}
	}
	if s.document != nil && s.rollout.Running < max(s.rollout.All, 1) {
		pause = min(pause, requeue.Pending(s.budget.Status.Conditions, s.now))
	}
	return pause
}
