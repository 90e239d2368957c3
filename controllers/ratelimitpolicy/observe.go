package ratelimitpolicy

import (
	"context"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/conditions"
)

// observe looks for the policy in the document of its target's tenant, and for
// those who run it.
func (c *Controller) observe(ctx context.Context, s *scope) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	id := limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: s.tenant}
	observed, err := c.limiter.Observe(ctx, id)
	s.rollout = conditions.RolloutOf(observed, s.policy)
	s.rollout.Err = err
	return nil
}
