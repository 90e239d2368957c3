package budgetgrant

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/apply"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
)

// afterTurn is how long after its start or its end a grant is looked at, at most.
const afterTurn = 250 * time.Millisecond

// report writes the status, if it differs from what is there, and tells what has
// happened from the one to the other.
func (c *Controller) report(ctx context.Context, s *scope) error {
	before, after := s.grant.Status, s.status()
	if equality.Semantic.DeepEqual(before, after) {
		return nil
	}
	if err := c.teller.TellNext(ctx, kind, s.grant, s.happened(before, after)); err != nil {
		return err
	}
	return apply.Status(ctx, c.client, s.grant, after)
}

// status is what is to be said of the grant, on every path.
func (s *scope) status() v1alpha1.BudgetGrantStatus {
	rollout := s.rollout
	if s.expired() {
		// Documents are without it from now on, and need not have got so far.
		rollout = conditions.Rollout{Err: &conditions.Unprogrammed{Verdict: conditions.Verdict{
			Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonExpired, Message: s.over()}}}
	}
	programmed := rollout.Programmed(s.accepted)
	ready := conditions.Ready(s.accepted, programmed)
	if s.expired() {
		ready = conditions.Verdict{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonExpired, Message: s.over()}
	}
	return v1alpha1.BudgetGrantStatus{
		ProgrammedStatus: rollout.Common(s.grant, s.now, s.accepted, ready,
			conditions.Typed{Type: v1alpha1.ConditionExpired, Verdict: s.isOver()}),
		State: s.state(programmed),
	}
}

func (s *scope) state(programmed conditions.Verdict) v1alpha1.GrantState {
	switch {
	case s.expired():
		return v1alpha1.GrantExpired
	case s.storeNow.IsZero() && s.grant.Status.State != "":
		return s.grant.Status.State // as it was known last
	case s.grant.Status.State == v1alpha1.GrantActive && s.accepted.Holds():
		return v1alpha1.GrantActive // an enforcer that has just come is about to run it
	case programmed.Holds() && s.started():
		return v1alpha1.GrantActive
	}
	return v1alpha1.GrantPending
}

// isOver is the verdict on whether the grant's time is over.
func (s *scope) isOver() conditions.Verdict {
	verdict := conditions.Verdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonRunning,
		Message: "it expires at " + rfc3339(s.grant.Spec.ExpiresAt)}
	switch {
	case s.expired():
		verdict = conditions.Verdict{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonExpired, Message: s.over()}
	case s.storeNow.IsZero():
		verdict.Status, verdict.Reason = metav1.ConditionUnknown, v1alpha1.ReasonStoreUnavailable
		verdict.Message = "Redis, whose clock counts, does not answer: " + verdict.Message
	case !s.started():
		verdict.Reason = v1alpha1.ReasonNotStarted
		verdict.Message = fmt.Sprintf("it starts at %s and expires at %s", rfc3339(*s.grant.Spec.StartsAt), rfc3339(s.grant.Spec.ExpiresAt))
	}
	return verdict
}

func (s *scope) over() string { return "it expired at " + rfc3339(s.grant.Spec.ExpiresAt) }

// expired reports whether the grant's time is over. What was once found to be over
// stays so, whatever clock a failover brings.
func (s *scope) expired() bool {
	return s.grant.IsExpired() || !s.storeNow.IsZero() && !s.storeNow.Before(s.grant.Spec.ExpiresAt.Time)
}

// started reports whether the grant's time has come.
func (s *scope) started() bool {
	starts := s.grant.Spec.StartsAt
	return starts == nil || !s.storeNow.Before(starts.Time)
}

// lookAgain is the pause until there may be something new to say of the grant.
func (s *scope) lookAgain() time.Duration {
	pause := s.rollout.LookAgain(s.accepted, s.grant, 0, s.now)
	if s.storeNow.IsZero() || s.expired() {
		return pause
	}
	turn := s.grant.Spec.ExpiresAt.Time
	if !s.started() {
		turn = s.grant.Spec.StartsAt.Time
	}
	return min(pause, turn.Sub(s.storeNow)+rand.N(afterTurn))
}

func rfc3339(t metav1.Time) string { return t.UTC().Format(time.RFC3339) }
