package events_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
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
		accepted   = "Normal Accepted: generation 1 is valid"
		programmed = "Normal Programmed: every enforcer runs generation 1, in revision 41"
		rejected   = "Warning Rejected: generation 1: Invalid: spec.x: bad"
	)
	for name, tc := range map[string]struct {
		before, after v1alpha1.ProgrammedStatus
		want          []string
	}{
		"seen first":                     {after: status(1, yes, no), want: []string{accepted}},
		"seen first, and everywhere":     {after: status(1, yes, yes), want: []string{programmed}},
		"bad before, and everywhere":     {before: status(1, invalid, no), after: status(1, yes, yes), want: []string{accepted, programmed}},
		"seen first, and bad":            {after: status(1, invalid, no), want: []string{rejected}},
		"seen first, and hard to tell":   {after: status(1, unknown, unknown)},
		"gets everywhere":                {before: status(1, yes, no), after: status(1, yes, yes), want: []string{programmed}},
		"stays everywhere":               {before: status(1, yes, yes), after: status(1, yes, yes)},
		"is nowhere":                     {before: status(1, yes, yes), after: status(1, yes, no)},
		"is everywhere again":            {before: status(1, yes, unknown), after: status(1, yes, yes), want: []string{programmed}},
		"a newer generation, everywhere": {before: status(0, yes, yes), after: status(1, yes, yes), want: []string{programmed}},
		"turns bad":                      {before: status(1, yes, yes), after: status(1, invalid, no), want: []string{rejected}},
		"stays bad":                      {before: status(1, invalid, no), after: status(1, invalid, no)},
		"is bad in another way":          {before: status(1, other, no), after: status(1, invalid, no), want: []string{rejected}},
		"is good again":                  {before: status(1, invalid, no), after: status(1, yes, no), want: []string{accepted}},
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

// TestTurns: what is told of one that was rejected is told again after each time that it
// was, and once, whether or not it is found to wait for enforcers in between; and that a
// generation is everywhere is told once.
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
		tell(status(1, rejected, no), status(1, yes, yes)) // by one whose status is not written
		tell(status(1, rejected, no), status(1, yes, no))
		tell(status(1, yes, no), status(1, yes, yes))
		later := status(1, yes, yes)
		later.Revision++ // by a grant
		tell(status(1, yes, no), later)
	}
	want := map[string]bool{"Programmed 1": true, "Accepted 1, False since 1000": true, "Accepted 1, False since 2000": true}
	if diff := cmp.Diff(want, turns); diff != "" {
		t.Errorf("turns (-want +got):\n%s", diff)
	}
}
