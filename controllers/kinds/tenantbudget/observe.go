package tenantbudget

import (
	"context"
	"encoding/json"
	"errors"

	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rules/index"
)

// observe reads how far the document has got, and the state of the money.
func (c *Controller) observe(ctx context.Context, s *scope) error {
	ctx, cancel := s.StoreContext(ctx)
	defer cancel()
	observed, err := c.documents.Observe(ctx, documentID(s.Object))
	if err == nil && observed.OwnedBy(string(s.Object.UID)) {
		s.inForce = &limiterv1.Tenant{}
		if err = json.Unmarshal(observed.Body, s.inForce); err == nil {
			s.usage, err = c.usageUnder(ctx, *s.inForce)
		}
	}
	if s.usage != nil {
		s.memory.spending.take(s.usage.own())
	}
	below, findErr := index.DocumentsBelow(ctx, c.client, client.ObjectKeyFromObject(s.Object))
	inheriting, readErr := c.documents.List(ctx, below...)
	s.below, s.fleet = below, observed.Fleet
	s.Rollout = conditions.RolloutOf(observed, s.Object).Inherited(observed.Fleet, inheriting, s.Object)
	return errors.Join(err, findErr, readErr)
}

// prove finds out whether calls are admitted by what the enforcers run.
func (c *Controller) prove(ctx context.Context, s *scope) (err error) {
	ctx, cancel := s.StoreContext(ctx)
	defer cancel()
	s.Rollout, err = c.prober.Prove(ctx, s.Rollout, s.Object, s.Object.Spec.Tenant, s.below, s.Now)
	return err
}

// usageUnder is the state of the money under a tenant's document.
func (c *Controller) usageUnder(ctx context.Context, tenant limiterv1.Tenant) (*usage, error) {
	u := &usage{root: tenant.Root()}
	for _, l := range tenant.Levels() {
		var limits []limiterv1.MoneyLimit
		for _, limit := range l.Money {
			if limit.Per == limiterv1.PerTenant {
				limits = append(limits, limit)
			}
		}
		counters, err := c.counters.Read(ctx, tenant.Root(), l.Tenant, limits...)
		if err != nil {
			return nil, err
		}
		measured, err := measure(l, counters)
		if err != nil {
			return nil, err
		}
		u.levels = append(u.levels, measured)
	}
	return u, nil
}
