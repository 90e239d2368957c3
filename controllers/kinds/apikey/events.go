package apikey

import (
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
)

// Events are those that a status change of any kind has.
func (s *scope) Events(before, after v1alpha1.APIKeyStatus) []events.Event {
	return events.OfStatusChange(before.ProgrammedStatus, after.ProgrammedStatus)
}
