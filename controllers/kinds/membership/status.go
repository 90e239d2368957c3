package membership

import (
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
)

// Statuses are the status that the Membership has, and the one that it should have now.
func (s *scope) Statuses() (before, after v1alpha1.MembershipStatus) {
	return s.Object.Status, s.status()
}

func (s *scope) status() v1alpha1.MembershipStatus {
	programmed := s.Rollout.Programmed(s.Accepted)
	ready := conditions.Ready(s.Accepted, programmed)
	return v1alpha1.MembershipStatus{
		ProgrammedStatus: s.Rollout.Common(s.Object, s.Now, s.Accepted, programmed, ready, s.WarningCondition()),
		Members:          s.inForce,
	}
}
