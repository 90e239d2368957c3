package tenantbudget

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/apply"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rollout/requeue"
)

// poll is how often counters are read when nothing is heard of them; of many
// budgets, less often, so that eachLook passes between two of them.
const (
	poll     = 10 * time.Second
	eachLook = 10 * time.Millisecond
)

// afterTurn is how long after a period's end, or a grant's, it is looked at, at most.
const afterTurn = 250 * time.Millisecond

// report writes the status, if it differs from what is there, and tells what has
// happened from the one to the other.
func (c *Controller) report(ctx context.Context, s *scope) error {
	before, after := s.budget.Status, s.status()
	if equality.Semantic.DeepEqual(before, after) {
		c.pacer.Forget(s.budget.UID)
		return nil
	}
	if s.unsaid = c.patience.Left(s.budget, s.accepted, s.rollout, s.now); s.unsaid > 0 {
		return nil
	}
	events := s.happened(before, after)
	if len(events) == 0 && differInFigures(before, after) {
		if s.unsaid = c.pacer.Wait(s.budget.UID, s.now); s.unsaid > 0 {
			return nil
		}
	}
	c.pacer.Forget(s.budget.UID)
	if err := c.teller.TellNext(ctx, kind, s.budget, events); err != nil {
		return err
	}
	return apply.Status(ctx, c.client, s.budget, after)
}

// status is what is to be said of the budget, on every path.
func (s *scope) status() v1alpha1.TenantBudgetStatus {
	ready := s.ready()
	breakerOpen := conditions.Typed{Type: v1alpha1.ConditionBreakerOpen, Verdict: s.breakerOpen()}
	exhausted := conditions.Typed{Type: v1alpha1.ConditionExhausted, Verdict: s.exhausted()}
	overcommitted := conditions.Typed{Type: v1alpha1.ConditionOvercommitted, Verdict: s.overcommitment()}
	further := []conditions.Typed{breakerOpen, exhausted, overcommitted}
	if s.alertsFailing != nil {
		further = append(further, conditions.Typed{Type: v1alpha1.ConditionAlertsFailing, Verdict: *s.alertsFailing})
	}
	status := v1alpha1.TenantBudgetStatus{
		ProgrammedStatus: s.rollout.Common(s.budget, s.now, s.accepted, ready, further...),
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
		status := v1alpha1.MoneyLimitStatus{
			Name:     limit.Name,
			Amount:   limit.Amount.String(),
			Spent:    limit.spent.String(),
			Held:     limit.held.String(),
			Percent:  limit.percent(),
			Rung:     v1alpha1.Action(limit.rung),
			ResetsAt: localTime(limit.resetsAt),
		}
		if limit.granted > 0 {
			status.Granted = limit.granted.String()
		}
		if !limit.exhaustsAt.IsZero() {
			status.ExhaustsAt = ptr.To(localTime(limit.exhaustsAt))
		}
		limits = append(limits, status)
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
		if !b.limit.isNothing() {
			status.ClosesAt = ptr.To(localTime(b.limit.resetsAt))
		}
	}
	if before := s.budget.Status.Breaker; before != nil && before.State == status.State && !s.usage.hasClosed(*before) {
		status.Since = before.Since
	}
	return status
}

func (s *scope) breakerOpen() conditions.Verdict {
	if s.usage == nil {
		return s.unknown("the breaker is as the enforcers find it")
	}
	return s.usage.breakerOpen()
}

func (s *scope) exhausted() conditions.Verdict {
	if s.usage == nil {
		return s.unknown("what is left is as the enforcers find it")
	}
	return s.usage.exhausted()
}

// unknown is the verdict on what depends on money that cannot be seen.
func (s *scope) unknown(meanwhile string) conditions.Verdict {
	message := "no configuration of this budget is in force"
	if s.rollout.Err != nil {
		message = "Redis does not answer: " + meanwhile
	}
	return conditions.Verdict{Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonUnknown, Message: message}
}

// localTime is a time as it comes back from the API server, where it has whole
// seconds and this machine's zone.
func localTime(t time.Time) metav1.Time { return metav1.NewTime(t).Rfc3339Copy() }

// lookAgain is when there will be something to see or to tell: at the next poll,
// when a period turns or a grant does, when it is the turn of figures that wait, or while enforcers
// are about to follow.
func (c *Controller) lookAgain(s *scope) time.Duration {
	pause := requeue.Jittered(max(poll, time.Duration(c.memories.count())*eachLook))
	if s.unsaid > 0 {
		pause = min(pause, s.unsaid)
	}
	if s.usage != nil {
		if turn, ok := s.usage.nextTurn(); ok {
			pause = min(pause, turn.Sub(s.usage.own().now)+rand.N(afterTurn))
		}
	}
	if s.document != nil && (s.rollout.Running < max(s.rollout.All, 1) || s.rollout.Unproven != nil) {
		pause = min(pause, requeue.Pending(s.budget.Status.Conditions, s.now))
	}
	return pause
}

// differInFigures reports whether two statuses differ in figures alone: what is
// spent, held and forecast, how many enforcers there are, and which period it is of
// a limit that is below its first rung, or is of nothing.
func differInFigures(before, after v1alpha1.TenantBudgetStatus) bool {
	return conditions.DifferInFigures(before.ProgrammedStatus, after.ProgrammedStatus) &&
		equality.Semantic.DeepEqual(before.Breaker, after.Breaker) &&
		slices.EqualFunc(before.Limits, after.Limits, func(a, b v1alpha1.MoneyLimitStatus) bool {
			return a.Name == b.Name && a.Amount == b.Amount && a.Rung == b.Rung &&
				(a.Rung == "" || a.Amount == money.Nanos(0).String() || a.ResetsAt.Equal(&b.ResetsAt))
		})
}
