package ratelimitpolicy

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/types"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rules/index"
)

// observe looks for the policy in the documents of its targets' tenants, and for those who
// run them.
func (c *Controller) observe(ctx context.Context, s *scope) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	switch {
	case s.policy.Spec.TargetSelector != nil:
		return c.observeSelected(ctx, s)
	case s.policy.Spec.TargetRef != nil:
		return c.observeNamed(ctx, s)
	}
	return nil
}

// observeNamed looks for the policy in the document of the tenant of the target that it
// names, in those that inherit from it, and for those who run them.
func (c *Controller) observeNamed(ctx context.Context, s *scope) error {
	id := limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: s.tenant}
	observed, err := c.limiter.Observe(ctx, id)
	target := types.NamespacedName{Namespace: s.policy.Namespace, Name: s.policy.Spec.TargetRef.Name}
	below, findErr := index.DocumentsBelow(ctx, c.client, target)
	if findErr != nil {
		return findErr
	}
	inheriting, readErr := c.limiter.Documents(ctx, below...)
	s.rollout = conditions.RolloutOf(observed, s.policy).Inherited(observed.Fleet, inheriting, s.policy)
	s.rollout.Err, s.rollout.LeftOut = errors.Join(err, readErr), s.leftOut
	if s.accepted.Holds() && s.leftOut == "" {
		// Before its target is, the counters may not be set by which a probe is admitted.
		s.rollout = c.prober.Prove(ctx, s.rollout, s.policy, s.tenant, below, s.now)
	}
	return nil
}
