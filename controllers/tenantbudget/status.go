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
	ready := s.ready()
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

// ready is as for any kind, but for a tenant in shadow, of which nothing is refused.
func (s *scope) ready() conditions.Verdict {
	ready := conditions.Ready(s.accepted, s.rollout.Programmed(s.accepted))
	if ready.Holds() && s.budget.Spec.Enforcement == v1alpha1.EnforcementShadow {
		ready.Reason = v1alpha1.ReasonShadow
		ready.Message = "decided, counted and recorded as written, and nothing is refused: spec.enforcement is Shadow"
	}
	return ready
}

func (s *scope) limits() []v1alpha1.MoneyLimitStatus {
	var limits []v1alpha1.MoneyLimitStatus
	for _, limit := range s.usage.own().limits {
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
	b, own := s.usage.breaker(), s.usage.own().tenant
	status := &v1alpha1.BreakerStatus{
		State: b.state, Summary: b.summary(own), Forced: b.forced, Since: ptr.To(localTime(s.now)),
	}
	if b.tenant != own {
		status.Tenant = b.tenant
	}
	if b.limit != nil {
		status.Limit = b.limit.Name
		status.ClosesAt = ptr.To(localTime(b.limit.resetsAt))
	}
	if before := s.budget.Status.Breaker; before != nil && before.State == status.State {
		status.Since = before.Since
	}
	return status
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
	return s.usage.breakerOpen()
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
			pause = min(pause, reset.Sub(s.usage.own().now)+rand.N(afterReset))
		}
	}
	if s.document != nil && s.rollout.Running < max(s.rollout.All, 1) {
		pause = min(pause, requeue.Pending(s.budget.Status.Conditions, s.now))
	}
	return pause
}
