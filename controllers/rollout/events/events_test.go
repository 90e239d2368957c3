package events_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// status is one whose Accepted and Programmed are as given, at a generation.
func status(generation int64, accepted, programmed metav1.Condition) v1alpha1.ProgrammedStatus {
	accepted.Type, programmed.Type = v1alpha1.ConditionAccepted, v1alpha1.ConditionProgrammed
	accepted.ObservedGeneration, programmed.ObservedGeneration = generation, generation
	return v1alpha1.ProgrammedStatus{
		ObservedGeneration: generation, Revision: 40 + generation, Conditions: []metav1.Condition{accepted, programmed},
	}
}

func TestOf(t *testing.T) {
	yes, no := metav1.Condition{Status: "True"}, metav1.Condition{Status: "False"}
	unknown := metav1.Condition{Status: "Unknown"}
	invalid := metav1.Condition{Status: "False", Reason: "Invalid", Message: "spec.x: bad"}
	other := metav1.Condition{Status: "False", Reason: "Invalid", Message: "spec.y: worse"}
	const (
		accepted   = "Normal Accepted: generation 2 is valid"
		programmed = "Normal Programmed: every enforcer runs generation 2, in revision 42"
		rejected   = "Warning Rejected: generation 2: Invalid: spec.x: bad"
	)
	for name, tc := range map[string]struct {
		before, after v1alpha1.ProgrammedStatus
		want          []string
	}{
		"seen first":                       {after: status(2, yes, no)},
		"seen first, and everywhere":       {after: status(2, yes, yes), want: []string{programmed}},
		"new, and everywhere":              {after: status(1, yes, yes)},
		"new, and gets everywhere":         {before: status(1, yes, no), after: status(1, yes, yes)},
		"new, bad before":                  {before: status(1, invalid, no), after: status(1, yes, yes), want: []string{"Normal Accepted: generation 1 is valid"}},
		"new, and bad":                     {after: status(1, invalid, no), want: []string{"Warning Rejected: generation 1: Invalid: spec.x: bad"}},
		"bad before, and everywhere":       {before: status(2, invalid, no), after: status(2, yes, yes), want: []string{accepted, programmed}},
		"bad when it was new, then mended": {before: status(1, invalid, no), after: status(2, yes, yes), want: []string{accepted, programmed}},
		"seen first, and bad":              {after: status(2, invalid, no), want: []string{rejected}},
		"seen first, and hard to tell":     {after: status(2, unknown, unknown)},
		"gets everywhere":                  {before: status(2, yes, no), after: status(2, yes, yes), want: []string{programmed}},
		"stays everywhere":                 {before: status(2, yes, yes), after: status(2, yes, yes)},
		"is nowhere":                       {before: status(2, yes, yes), after: status(2, yes, no)},
		"is everywhere again":              {before: status(2, yes, unknown), after: status(2, yes, yes), want: []string{programmed}},
		"a newer generation, everywhere":   {before: status(1, yes, yes), after: status(2, yes, yes), want: []string{programmed}},
		"turns bad":                        {before: status(2, yes, yes), after: status(2, invalid, no), want: []string{rejected}},
		"stays bad":                        {before: status(2, invalid, no), after: status(2, invalid, no)},
		"is bad in another way":            {before: status(2, other, no), after: status(2, invalid, no), want: []string{rejected}},
		"is good again":                    {before: status(2, invalid, no), after: status(2, yes, no), want: []string{accepted}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, event := range events.OfStatusChange(tc.before, tc.after) {
				got = append(got, event.Type+" "+event.Reason+": "+event.Note)
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("Events (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTurns: that an object is accepted after a rejection is reported once after each rejection,
// whether or not a manager sees it wait for enforcers in between. That a generation is programmed is
// reported once.
func TestTurns(t *testing.T) {
	yes, no := metav1.Condition{Status: "True"}, metav1.Condition{Status: "False"}
	first := metav1.Condition{Status: "False", Reason: "Invalid", LastTransitionTime: metav1.Unix(1000, 0)}
	then := first
	then.LastTransitionTime = metav1.Unix(2000, 0)
	turns := map[string]bool{}
	tell := func(before, after v1alpha1.ProgrammedStatus) {
		for _, event := range events.OfStatusChange(before, after) {
			turns[event.Reason+" "+event.Turn] = true
		}
	}
	for _, rejected := range []metav1.Condition{first, then} {
		tell(status(2, rejected, no), status(2, yes, yes)) // by one whose status is not written
		tell(status(2, rejected, no), status(2, yes, no))
		tell(status(2, yes, no), status(2, yes, yes))
		later := status(2, yes, yes)
		later.Revision++ // by a grant
		tell(status(2, yes, no), later)
	}
	want := map[string]bool{"Programmed 2": true, "Accepted 2, False since 1000": true, "Accepted 2, False since 2000": true}
	if diff := cmp.Diff(want, turns); diff != "" {
		t.Errorf("turns (-want +got):\n%s", diff)
	}
}

// TestUndetermined: a transition is reported once, even if the condition could not be determined in
// between; and a transition that happened in that time is reported after it.
func TestUndetermined(t *testing.T) {
	yes, invalid := verdict.Accepted(), verdict.Rejected("Invalid", "spec.x: bad")
	worse, unknown := verdict.Rejected("Invalid", "spec.y: worse: no"), conditions.Undetermined("whether the object is valid")
	running, pending := verdict.True("Programmed", "1 of 1 live enforcers run revision 7"), verdict.False("EnforcersPending", "0 of 1")
	type look struct {
		generation           int64
		accepted, programmed verdict.Verdict
	}
	for name, tc := range map[string]struct {
		looks []look
		want  []string
	}{
		"accepted":          {[]look{{1, yes, pending}, {1, unknown, unknown}, {1, unknown, unknown}, {1, yes, pending}}, nil},
		"rejected":          {[]look{{1, invalid, pending}, {1, unknown, unknown}, {1, invalid, pending}}, []string{"Rejected 1"}},
		"everywhere":        {[]look{{2, yes, running}, {2, unknown, unknown}, {2, yes, running}}, []string{"Programmed 2"}},
		"everywhere at new": {[]look{{1, yes, running}, {1, unknown, unknown}, {1, yes, running}}, nil},
		"accepted, everywhere later": {
			[]look{{2, yes, pending}, {2, unknown, unknown}, {2, yes, pending}, {2, yes, running}}, []string{"Programmed 2"},
		},
		"everywhere, and then another generation": {
			[]look{{1, yes, running}, {1, unknown, unknown}, {2, unknown, unknown}, {2, yes, running}}, []string{"Programmed 2"},
		},
		"rejected meanwhile":        {[]look{{1, yes, pending}, {1, unknown, unknown}, {1, invalid, pending}}, []string{"Rejected 1"}},
		"rejected in another way":   {[]look{{1, invalid, pending}, {1, unknown, unknown}, {1, worse, pending}}, []string{"Rejected 1", "Rejected 1"}},
		"rejected, as last time":    {[]look{{1, worse, pending}, {1, unknown, unknown}, {1, worse, pending}}, []string{"Rejected 1"}},
		"accepted meanwhile":        {[]look{{1, invalid, pending}, {1, unknown, unknown}, {1, yes, pending}}, []string{"Rejected 1", "Accepted 1"}},
		"hard to tell at first":     {[]look{{1, unknown, unknown}, {1, yes, pending}}, nil},
		"rejected again after that": {[]look{{1, invalid, pending}, {1, yes, pending}, {1, unknown, unknown}, {1, invalid, pending}}, []string{"Rejected 1", "Accepted 1", "Rejected 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			var is v1alpha1.ProgrammedStatus
			var got []string
			turns := map[string]bool{}
			for i, look := range tc.looks {
				was := is
				is = v1alpha1.ProgrammedStatus{ObservedGeneration: look.generation, Conditions: conditions.Build(
					was.Conditions, look.generation, time.Unix(int64(1000*i), 0),
					conditions.Typed{Type: v1alpha1.ConditionAccepted, Verdict: look.accepted},
					conditions.Typed{Type: v1alpha1.ConditionProgrammed, Verdict: look.programmed})}
				for _, event := range events.OfStatusChange(was, is) {
					got = append(got, fmt.Sprintf("%s %d", event.Reason, look.generation))
					turns[event.Reason+event.Turn] = true
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Events (-want +got):\n%s", diff)
			}
			if len(turns) != len(got) {
				t.Errorf("Events %v have only the turns %v: some would not be recorded", got, turns)
			}
		})
	}
}
