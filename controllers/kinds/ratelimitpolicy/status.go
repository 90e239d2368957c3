package ratelimitpolicy

import (
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
)

// Statuses are the status that the policy has, and the one that it should have now.
func (s *scope) Statuses() (before, after v1alpha1.RateLimitPolicyStatus) {
	return s.Object.Status, s.status()
}

func (s *scope) status() v1alpha1.RateLimitPolicyStatus {
	programmed := s.Rollout.Programmed(s.Accepted)
	ready := conditions.Ready(s.Accepted, programmed)
	targets := ptr.To(int32(len(s.targets)))
	if s.Accepted.Reason == v1alpha1.ReasonInternalError {
		targets = s.Object.Status.Targets // because finding them has failed
	}
	return v1alpha1.RateLimitPolicyStatus{
		ProgrammedStatus: s.Rollout.Common(s.Object, s.Now, s.Accepted, programmed, ready, s.WarningCondition()),
		Targets:          targets,
	}
}
