package events

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
)

// Event is a Kubernetes Event to be recorded of an object.
type Event struct {
	// Type is corev1.EventTypeNormal or corev1.EventTypeWarning.
	Type string
	// Reason is one of the reasons of Events in v1alpha1.
	Reason string
	// Action is what was done about the object.
	Action string
	// Note is the message, of at most a kilobyte.
	Note string
	// Field is the part of the object that it is about; empty for the whole.
	Field string
	// Turn tells this transition from others of the same reason and field. It is made
	// of what stays the same until the status is written, so that a manager that finds
	// the transition unwritten records the same Event.
	Turn string
}

// firstGeneration is that of an object that nobody has changed since it was made.
const firstGeneration = 1

// OfStatusChange returns the Events that a status change of any kind has. They report what somebody
// acts on or waits for: that an object is rejected, that it is accepted after a rejection, and that a
// change of it is programmed. A new object for which all goes well has no Event: there may be
// thousands of them, and their statuses say it.
//
// Time in which a condition could not be determined is no transition: if the condition is then as
// it was last known, that is not reported again.
func OfStatusChange(before, after v1alpha1.ProgrammedStatus) (told []Event) {
	wasProgrammed, programmed := lastKnown(before, v1alpha1.ConditionProgrammed), find(after, v1alpha1.ConditionProgrammed)
	was, is := lastKnown(before, v1alpha1.ConditionAccepted), find(after, v1alpha1.ConditionAccepted)
	again := wasProgrammed.Status == metav1.ConditionTrue && wasProgrammed.ObservedGeneration == programmed.ObservedGeneration
	everywhereNow := programmed.Status == metav1.ConditionTrue && !again
	if was.Status == metav1.ConditionFalse && (is.Status == metav1.ConditionTrue || everywhereNow) {
		told = append(told, accepted(after.ObservedGeneration, was))
	}
	if everywhereNow && after.ObservedGeneration > firstGeneration {
		// An earlier Event may already have said that this generation is everywhere.
		told = append(told, everywhere(after))
	}
	if is.Status == metav1.ConditionFalse && (was.Status != is.Status || was.Reason != is.Reason || was.Message != is.Message) {
		told = append(told, rejected(is, was))
	}
	return told
}

func find(status v1alpha1.ProgrammedStatus, conditionType string) metav1.Condition {
	if condition := meta.FindStatusCondition(status.Conditions, conditionType); condition != nil {
		return *condition
	}
	return metav1.Condition{}
}

func lastKnown(status v1alpha1.ProgrammedStatus, conditionType string) metav1.Condition {
	return conditions.LastKnown(find(status, conditionType))
}

// Since identifies a transition of a condition by the status that it had before, and since
// when it had that.
func Since(was metav1.Condition) string {
	return fmt.Sprintf("%s since %d", was.Status, was.LastTransitionTime.Unix())
}

func accepted(generation int64, was metav1.Condition) Event {
	return Event{
		Type: corev1.EventTypeNormal, Reason: v1alpha1.EventAccepted, Action: "Accept",
		Turn: fmt.Sprintf("%d, %s", generation, Since(was)),
		Note: fmt.Sprintf("generation %d is valid", generation),
	}
}

func rejected(is, was metav1.Condition) Event {
	return Event{
		Type: corev1.EventTypeWarning, Reason: v1alpha1.EventRejected, Action: "Reject",
		Turn: fmt.Sprintf("%d, %s: %s, %s", is.ObservedGeneration, Since(was), was.Message, is.Message),
		Note: fmt.Sprintf("generation %d: %s: %s", is.ObservedGeneration, is.Reason, is.Message),
	}
}

// everywhere is recorded once for each generation. If enforcers have to catch up again, because
// new ones joined or something on which the object depends has changed, there is no new Event:
// whether a manager notices that depends on when it looks.
func everywhere(status v1alpha1.ProgrammedStatus) Event {
	return Event{
		Type: corev1.EventTypeNormal, Reason: v1alpha1.EventProgrammed, Action: "Program",
		Turn: fmt.Sprint(status.ObservedGeneration),
		Note: fmt.Sprintf("every enforcer runs generation %d, in revision %d", status.ObservedGeneration, status.Revision),
	}
}
