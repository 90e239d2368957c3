package budgetgrant

import (
	"fmt"
	"math/rand/v2"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// afterTurn is how long after its start or its end a grant is reconciled, at most.
const afterTurn = 250 * time.Millisecond

// Statuses are the status that the grant has, and the one that it should have now.
func (s *scope) Statuses() (before, after v1alpha1.BudgetGrantStatus) {
	return s.Object.Status, s.status()
}

func (s *scope) status() v1alpha1.BudgetGrantStatus {
	expired := conditions.Typed{Type: v1alpha1.ConditionExpired, Verdict: s.isOver()}
	recorded := conditions.Typed{Type: v1alpha1.ConditionRecorded, Verdict: s.isRecorded()}
	if s.expired() {
		// The grant is over whether or not the documents without it have reached the enforcers.
		programmed := verdict.False(v1alpha1.ReasonExpired, s.over())
		ready := verdict.True(v1alpha1.ReasonExpired, s.over())
		return v1alpha1.BudgetGrantStatus{
			ProgrammedStatus: conditions.Common(s.Object, s.Now, s.Accepted, programmed, ready, s.WarningCondition(), expired, recorded),
			State:            v1alpha1.GrantExpired,
		}
	}
	programmed := s.Rollout.Programmed(s.Accepted)
	if s.Rollout.Err == nil && s.Accepted.Holds() && !recorded.Holds() {
		programmed = recorded.Verdict
	}
	ready := conditions.Ready(s.Accepted, programmed)
	return v1alpha1.BudgetGrantStatus{
		ProgrammedStatus: s.Rollout.Common(s.Object, s.Now, s.Accepted, programmed, ready, s.WarningCondition(), expired, recorded),
		State:            s.state(programmed),
	}
}

// state is that of a grant whose time is not over.
func (s *scope) state(programmed verdict.Verdict) v1alpha1.GrantState {
	switch {
	case s.storeNow.IsZero() && s.Object.Status.State != "":
		return s.Object.Status.State // as it was known last
	case s.Object.Status.State == v1alpha1.GrantActive && s.Accepted.Holds():
		return v1alpha1.GrantActive // an enforcer that has just come is about to run it
	case programmed.Holds() && s.started():
		return v1alpha1.GrantActive
	}
	return v1alpha1.GrantPending
}

// isRecorded is the verdict on whether the grant is on record. Once it is, it stays so.
func (s *scope) isRecorded() verdict.Verdict {
	switch {
	case s.recorded, s.Object.IsRecorded():
		return verdict.True(v1alpha1.ReasonRecorded, "the grant is on record in Postgres")
	case !s.Accepted.Holds():
		return verdict.False(v1alpha1.ReasonNotAccepted, "not accepted: see the condition Accepted")
	}
	return verdict.False(v1alpha1.ReasonStoreUnavailable, "Postgres does not answer: the grant takes effect once it is on record there")
}

// isOver is the verdict on whether the grant's time is over.
func (s *scope) isOver() verdict.Verdict {
	running := "the grant expires at " + rfc3339(s.Object.Spec.ExpiresAt)
	switch {
	case s.expired():
		return verdict.True(v1alpha1.ReasonExpired, s.over())
	case s.storeNow.IsZero():
		return verdict.Unknown(v1alpha1.ReasonStoreUnavailable, "Redis, whose clock decides whether it has, does not answer: "+running)
	case !s.started():
		return verdict.False(v1alpha1.ReasonNotStarted,
			fmt.Sprintf("the grant starts at %s and expires at %s", rfc3339(*s.Object.Spec.StartsAt), rfc3339(s.Object.Spec.ExpiresAt)))
	}
	return verdict.False(v1alpha1.ReasonRunning, running)
}

func (s *scope) over() string { return "the grant expired at " + rfc3339(s.Object.Spec.ExpiresAt) }

// expired reports whether the grant's time is over. What was once found to be over
// stays so, whatever clock a failover brings.
func (s *scope) expired() bool {
	return s.Object.IsExpired() || !s.storeNow.IsZero() && !s.storeNow.Before(s.Object.Spec.ExpiresAt.Time)
}

// started reports whether the grant's time has come.
func (s *scope) started() bool {
	starts := s.Object.Spec.StartsAt
	return starts == nil || !s.storeNow.Before(starts.Time)
}

// RequeueAfter is the pause until the status of the grant may change by itself.
func (s *scope) RequeueAfter() time.Duration {
	pause := s.Scope.RequeueAfter()
	if s.storeNow.IsZero() || s.expired() {
		return pause
	}
	turn := s.Object.Spec.ExpiresAt.Time
	if !s.started() {
		turn = s.Object.Spec.StartsAt.Time
	}
	return min(pause, turn.Sub(s.storeNow)+rand.N(afterTurn))
}

func rfc3339(t metav1.Time) string { return t.UTC().Format(time.RFC3339) }
