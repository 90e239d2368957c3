package modelprovider

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
)

// Events are those that a status change of any kind has, and those of what the
// enforcers see of the provider.
func (s *scope) Events(before, after v1alpha1.ModelProviderStatus) []events.Event {
	happened := events.OfStatusChange(before.ProgrammedStatus, after.ProgrammedStatus)
	happened = append(happened, turned(before, after, v1alpha1.ConditionReachable, v1alpha1.EventUnreachable, v1alpha1.EventReachable)...)
	return append(happened, turned(before, after, v1alpha1.ConditionCredentialValid, v1alpha1.EventKeyUnusable, v1alpha1.EventKeyUsable)...)
}

// turned is the Event of a condition that has become False, is False for another reason, or has
// become True again.
func turned(before, after v1alpha1.ModelProviderStatus, condition, bad, good string) []events.Event {
	was, is := find(before, condition), find(after, condition)
	switch {
	case is.Status == metav1.ConditionFalse && (was.Status != is.Status || was.Reason != is.Reason):
		return []events.Event{{
			Type: corev1.EventTypeWarning, Reason: bad, Action: "Observe", Turn: was.Reason + ", " + events.Since(was), Note: is.Reason + ": " + is.Message,
		}}
	case is.Status == metav1.ConditionTrue && was.Status == metav1.ConditionFalse:
		return []events.Event{{
			Type: corev1.EventTypeNormal, Reason: good, Action: "Observe", Turn: was.Reason + ", " + events.Since(was), Note: is.Message,
		}}
	}
	return nil
}

func find(status v1alpha1.ModelProviderStatus, condition string) metav1.Condition {
	return ptr.Deref(meta.FindStatusCondition(status.Conditions, condition), metav1.Condition{})
}
