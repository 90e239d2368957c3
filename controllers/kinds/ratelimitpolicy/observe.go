package ratelimitpolicy

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/types"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rules/index"
)

// observe finds how far the policy has got: in the documents of its targets' tenants, and at
// the enforcers that run them.
func (c *Controller) observe(ctx context.Context, s *scope) error {
	ctx, cancel := s.StoreContext(ctx)
	defer cancel()
	switch {
	case s.Object.Spec.TargetSelector != nil:
		return c.observeSelected(ctx, s)
	case s.Object.Spec.TargetRef != nil:
		return c.observeNamed(ctx, s)
	}
	return nil
}

// observeNamed finds how far a policy that names its target has got: in the document of the
// target's tenant, in those that inherit from it, and at the enforcers that run them.
func (c *Controller) observeNamed(ctx context.Context, s *scope) error {
	id := limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: s.tenant}
	observed, err := c.documents.Observe(ctx, id)
	target := types.NamespacedName{Namespace: s.Object.Namespace, Name: s.Object.Spec.TargetRef.Name}
	below, findErr := index.DocumentsBelow(ctx, c.client, target)
	inheriting, readErr := c.documents.List(ctx, below...)
	s.Rollout = conditions.RolloutOf(observed, s.Object).Inherited(observed.Fleet, inheriting, s.Object)
	s.Rollout.LeftOut = s.leftOut
	if s.leftOut == "" {
		// Before the target is programmed, the counters that a probe needs may not be set.
		s.proving, s.provingBelow = s.tenant, below
	}
	return errors.Join(err, findErr, readErr)
}

// prove finds out whether calls are admitted by what the enforcers run.
func (c *Controller) prove(ctx context.Context, s *scope) (err error) {
	if !s.Accepted.Holds() || s.proving == "" {
		return nil
	}
	ctx, cancel := s.StoreContext(ctx)
	defer cancel()
	s.Rollout, err = c.prober.Prove(ctx, s.Rollout, s.Object, s.proving, s.provingBelow, s.Now)
	return err
}
