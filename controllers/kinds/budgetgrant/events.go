package budgetgrant

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
)

// Events are the Events of the change from one status to the next.
func (s *scope) Events(before, after v1alpha1.BudgetGrantStatus) []events.Event {
	events := events.OfStatusChange(before.ProgrammedStatus, after.ProgrammedStatus)
	if before.State == after.State {
		return events
	}
	switch after.State {
	case v1alpha1.GrantActive:
		events = append(events, s.granted())
	case v1alpha1.GrantExpired:
		events = append(events, s.grantExpired(before.State))
	}
	return events
}

func (s *scope) granted() events.Event {
	spec := s.Object.Spec
	whose := ""
	if spec.User != "" {
		whose = " of user " + spec.User
	}
	return events.Event{
		Type: corev1.EventTypeNormal, Reason: v1alpha1.EventGranted, Action: "Grant",
		Note: fmt.Sprintf("limit %s%s of TenantBudget %s has %s USD more until %s: %s",
			spec.Limit, whose, spec.BudgetRef.Name, spec.Amount, rfc3339(spec.ExpiresAt), spec.Reason),
	}
}

// grantExpired is the Event of the grant's end: a warning where it never counted.
func (s *scope) grantExpired(was v1alpha1.GrantState) events.Event {
	event := events.Event{
		Type: corev1.EventTypeNormal, Reason: v1alpha1.EventGrantExpired, Action: "Expire", Field: "spec.expiresAt",
		Note: fmt.Sprintf("limit %s of TenantBudget %s no longer has %s USD more: %s",
			s.Object.Spec.Limit, s.Object.Spec.BudgetRef.Name, s.Object.Spec.Amount, s.over()),
	}
	if was != v1alpha1.GrantActive {
		event.Type = corev1.EventTypeWarning
		event.Note = s.over() + ": the grant was never active"
	}
	return event
}
