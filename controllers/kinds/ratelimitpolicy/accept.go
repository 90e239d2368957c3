package ratelimitpolicy

import (
	"context"

	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
)

// accept decides whether the policy is valid and has a target that is in force.
func (c *Controller) accept(ctx context.Context, s *scope) error {
	decided, err := acceptance.DecideRateLimitPolicy(ctx, c.client, s.Object)
	if err != nil {
		return err
	}
	s.Accepted, s.tenant = decided.Verdict, decided.Tenant
	s.targets, s.pending = decided.Targets, decided.Pending
	s.crowdedOut, s.leftOut = decided.CrowdedOut, decided.LeftOut()
	return nil
}
