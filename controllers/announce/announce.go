package announce

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Event is an Event to be told of an object.
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
}

// Of are the Events of any kind's way from one status to the next. One that says that
// an object is programmed says that it was accepted, too.
func Of(before, after v1alpha1.ProgrammedStatus) []Event {
	wasProgrammed, programmed := find(before, v1alpha1.ConditionProgrammed), find(after, v1alpha1.ConditionProgrammed)
	again := wasProgrammed.Status == metav1.ConditionTrue && wasProgrammed.ObservedGeneration == programmed.ObservedGeneration
	if programmed.Status == metav1.ConditionTrue {
		if again {
			return nil
		}
		return []Event{everywhere(after)}
	}
	was, is := find(before, v1alpha1.ConditionAccepted), find(after, v1alpha1.ConditionAccepted)
	switch {
	case is.Status == metav1.ConditionTrue && was.Status != metav1.ConditionTrue:
		return []Event{accepted(after.ObservedGeneration)}
	case is.Status == metav1.ConditionFalse && (was.Status != is.Status || was.Reason != is.Reason || was.Message != is.Message):
		return []Event{rejected(is)}
	}
	return nil
}

func find(status v1alpha1.ProgrammedStatus, conditionType string) metav1.Condition {
	if condition := meta.FindStatusCondition(status.Conditions, conditionType); condition != nil {
		return *condition
	}
	return metav1.Condition{}
}

func accepted(generation int64) Event {
	return Event{
		Type: corev1.EventTypeNormal, Reason: v1alpha1.EventAccepted, Action: "Accept",
		Note: fmt.Sprintf("generation %d is valid", generation),
	}
}

func rejected(is metav1.Condition) Event {
	return Event{
		Type: corev1.EventTypeWarning, Reason: v1alpha1.EventRejected, Action: "Reject",
		Note: fmt.Sprintf("generation %d: %s: %s", is.ObservedGeneration, is.Reason, is.Message),
	}
}

func everywhere(status v1alpha1.ProgrammedStatus) Event {
	return Event{
		Type: corev1.EventTypeNormal, Reason: v1alpha1.EventProgrammed, Action: "Program",
		Note: fmt.Sprintf("every enforcer runs generation %d, in revision %d", status.ObservedGeneration, status.Revision),
	}
}

// maxNote is how long the API server lets a note be, in bytes.
const maxNote = 1024

// Tell tells the Events of an object at the resource version at which they became
// true. Events of the same version, reason and field would be merged into one.
func Tell(recorder events.EventRecorder, kind string, object metav1.Object, resourceVersion string, told []Event) {
	for _, event := range told {
		regarding := &corev1.ObjectReference{
			APIVersion:      v1alpha1.GroupVersion.String(),
			Kind:            kind,
			Namespace:       object.GetNamespace(),
			Name:            object.GetName(),
			UID:             object.GetUID(),
			ResourceVersion: resourceVersion,
			FieldPath:       event.Field,
		}
		note := event.Note[:min(len(event.Note), maxNote)]
		recorder.Eventf(regarding, nil, event.Type, event.Reason, event.Action, "%s", note)
	}
}
