package conditions_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

var now = time.Date(2026, 11, 25, 12, 0, 0, 999, time.UTC)

// errNoAnswer is an error of a Redis that does not answer.
var errNoAnswer = fmt.Errorf("observe: %w", limiterstore.ErrUnavailable)

func TestProgrammed(t *testing.T) {
	accepted, rejected := verdict.Accepted(), verdict.Rejected(v1alpha1.ReasonInvalid, "no")
	unknown := limiterstore.Proof{Tenant: "one", Revision: 7}
	contradicted := limiterstore.Proof{Tenant: "other", Revision: 7, Answered: true, By: "host", Contradiction: "1.00 USD, want 2.00"}
	proven := limiterstore.Proof{Tenant: "acme", Revision: 7, Answered: true}
	for name, tc := range map[string]struct {
		rollout     conditions.Rollout
		accepted    verdict.Verdict
		want, ready string
	}{
		"everywhere": {
			rollout:  conditions.Rollout{Revision: 7, Running: 2, All: 2},
			accepted: accepted, want: "True Programmed", ready: "True Enforced",
		},
		"everywhere, and nobody has seen it": {
			rollout:  conditions.Rollout{Revision: 7, Running: 2, All: 2, Unproven: &limiterstore.Proof{Tenant: "acme", Revision: 7}},
			accepted: accepted, want: "False ProbePending", ready: "False NotEnforced",
		},
		"everywhere, they say": {
			rollout:  conditions.Rollout{Revision: 7, Running: 2, All: 2}.Probed(unknown, contradicted),
			accepted: accepted, want: "False ProbeFailed", ready: "False NotEnforced",
		},
		"everywhere, and seen": {
			rollout:  conditions.Rollout{Revision: 7, Running: 2, All: 2}.Probed(proven, limiterstore.Proof{Tenant: "withdrawn"}),
			accepted: accepted, want: "True Programmed", ready: "True Enforced",
		},
		"not everywhere": {
			rollout:  conditions.Rollout{Revision: 7, Running: 1, All: 2},
			accepted: accepted, want: "False EnforcersPending", ready: "False NotEnforced",
		},
		"nobody is there": {
			rollout:  conditions.Rollout{Revision: 7},
			accepted: accepted, want: "False NoEnforcers", ready: "False NotEnforced",
		},
		"in no document": {
			rollout:  conditions.Rollout{All: 2},
			accepted: accepted, want: "False EnforcersPending", ready: "False NotEnforced",
		},
		"not accepted, though an older generation is everywhere": {
			rollout:  conditions.Rollout{All: 2},
			accepted: rejected, want: "False NotAccepted", ready: "False NotEnforced",
		},
		"Postgres does not answer": {
			rollout:  conditions.Rollout{Err: fmt.Errorf("program: %w", budgetstore.ErrUnavailable), Revision: 7, Running: 2, All: 2},
			accepted: accepted, want: "Unknown StoreUnavailable", ready: "Unknown NotEnforced",
		},
		"what a store answered cannot be read": {
			rollout:  conditions.Rollout{Err: errors.New("decode a counter"), Revision: 7, Running: 2, All: 2},
			accepted: accepted, want: "Unknown InternalError", ready: "Unknown NotEnforced",
		},
		"nobody can tell": {
			rollout:  conditions.Rollout{Err: errNoAnswer, Revision: 7, Running: 2, All: 2},
			accepted: accepted, want: "Unknown StoreUnavailable", ready: "Unknown NotEnforced",
		},
		"nobody can tell of one that is not accepted": {
			rollout:  conditions.Rollout{Err: errNoAnswer},
			accepted: rejected, want: "Unknown StoreUnavailable", ready: "False NotEnforced",
		},
	} {
		t.Run(name, func(t *testing.T) {
			programmed := tc.rollout.Programmed(tc.accepted)
			if got := string(programmed.Status) + " " + programmed.Reason; got != tc.want {
				t.Errorf("Programmed is %q, want %q", got, tc.want)
			}
			ready := conditions.Ready(tc.accepted, programmed)
			if got := string(ready.Status) + " " + ready.Reason; got != tc.ready {
				t.Errorf("Ready is %q, want %q", got, tc.ready)
			}
		})
	}
}

func TestBuild(t *testing.T) {
	earlier := metav1.NewTime(now.Add(-time.Hour))
	second := metav1.NewTime(now.Truncate(time.Second))
	previous := []metav1.Condition{
		{Type: "Stays", Status: metav1.ConditionTrue, Reason: "Old", LastTransitionTime: earlier},
		{Type: "Turns", Status: metav1.ConditionTrue, LastTransitionTime: earlier},
		{Type: "Goes", Status: metav1.ConditionTrue, LastTransitionTime: earlier},
	}
	verdictOf := func(status metav1.ConditionStatus, message string) verdict.Verdict {
		return verdict.Verdict{Status: status, Reason: "New", Message: message}
	}
	got := conditions.Build(previous, 3, now,
		conditions.Typed{Type: "Comes", Verdict: verdictOf("Unknown", strings.Repeat("x", 40_000))},
		conditions.Typed{Type: "Turns", Verdict: verdictOf("False", "turned")},
		conditions.Typed{Type: "Stays", Verdict: verdictOf("True", "stayed")},
	)
	want := []metav1.Condition{
		{Type: "Comes", Status: "Unknown", Reason: "New", Message: strings.Repeat("x", 32768), ObservedGeneration: 3, LastTransitionTime: second},
		{Type: "Turns", Status: "False", Reason: "New", Message: "turned", ObservedGeneration: 3, LastTransitionTime: second},
		{Type: "Stays", Status: "True", Reason: "New", Message: "stayed", ObservedGeneration: 3, LastTransitionTime: earlier},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
}
