package identityprovider

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
)

// Events are those that a status change of any kind has, and what became of the
// keys.
func (s *scope) Events(before, after v1alpha1.IdentityProviderStatus) []events.Event {
	happened := events.OfStatusChange(before.ProgrammedStatus, after.ProgrammedStatus)
	return append(append(happened, ofFetch(before, after)...), ofKeys(before.Keys, after.Keys)...)
}

// ofFetch reports that fetching the keys has begun to fail, or succeeds again.
func ofFetch(before, after v1alpha1.IdentityProviderStatus) []events.Event {
	was := conditions.LastKnown(ptr.Deref(meta.FindStatusCondition(before.Conditions, v1alpha1.ConditionKeysFetched), metav1.Condition{}))
	is := ptr.Deref(meta.FindStatusCondition(after.Conditions, v1alpha1.ConditionKeysFetched), metav1.Condition{})
	failed := func(c metav1.Condition) bool { return c.Reason == v1alpha1.ReasonKeysFetchFailed }
	switch {
	case failed(is) && !failed(was):
		return []events.Event{{
			Type: corev1.EventTypeWarning, Reason: v1alpha1.EventKeysFetchFailed, Action: "FetchKeys", Turn: events.Since(was), Note: is.Message,
		}}
	case failed(was) && is.Status == metav1.ConditionTrue:
		return []events.Event{{
			Type: corev1.EventTypeNormal, Reason: v1alpha1.EventKeysFetched, Action: "FetchKeys", Turn: events.Since(was), Note: is.Message,
		}}
	}
	return nil
}

// ofKeys reports that the issuer's keys have changed.
func ofKeys(before, after *v1alpha1.FetchedKeys) []events.Event {
	if before == nil || after == nil || before.JWKS == after.JWKS {
		return nil
	}
	return []events.Event{{
		Type: corev1.EventTypeNormal, Reason: v1alpha1.EventKeysChanged, Action: "FetchKeys", Turn: fmt.Sprint(after.ChangedAt.Unix()),
		Note: fmt.Sprintf("the issuer has the keys %q; before, it had %q", after.IDs, before.IDs),
	}}
}
