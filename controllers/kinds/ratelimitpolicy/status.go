package ratelimitpolicy

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/announce"
	"github.com/bursar-dev/bursar/controllers/rollout/apply"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
)

// report writes the status, if it differs from what is there, and tells what has
// happened from the one to the other.
func (c *Controller) report(ctx context.Context, s *scope) error {
	before, after := s.policy.Status, s.status()
	if equality.Semantic.DeepEqual(before, after) {
		return nil
	}
	if s.unsaid = c.patience.Left(s.policy, s.accepted, s.rollout, s.now); s.unsaid > 0 {
		return nil
	}
	happened := announce.Of(before.ProgrammedStatus, after.ProgrammedStatus)
	if err := c.teller.TellNext(ctx, kind, s.policy, happened); err != nil {
		return err
	}
	return apply.Status(ctx, c.client, s.policy, after)
}

// status is what is to be said of the policy, on every path.
func (s *scope) status() v1alpha1.RateLimitPolicyStatus {
	ready := conditions.Ready(s.accepted, s.rollout.Programmed(s.accepted))
	return v1alpha1.RateLimitPolicyStatus{
		ProgrammedStatus: s.rollout.Common(s.policy, s.now, s.accepted, ready),
		Targets:          ptr.To(int32(len(s.targets))),
	}
}
