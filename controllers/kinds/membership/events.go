package membership

import (
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
)

// Events are those of any kind's way from one status to the next.
func (s *scope) Events(before, after v1alpha1.MembershipStatus) []events.Event {
	return events.OfStatusChange(before.ProgrammedStatus, after.ProgrammedStatus)
}
