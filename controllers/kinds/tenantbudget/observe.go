package tenantbudget

import (
	"context"
	"encoding/json"
	"errors"

	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rules/index"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// observe reads how far the document has got, and the state of the money.
func (c *Controller) observe(ctx context.Context, s *scope) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	observed, err := c.limiter.Observe(ctx, documentID(s.budget))
	if err == nil && observed.OwnedBy(string(s.budget.UID)) {
		s.inForce = &limiterv1.Tenant{}
		if err = json.Unmarshal(observed.Body, s.inForce); err == nil {
			s.usage, err = c.usageUnder(ctx, *s.inForce)
		}
	}
	if s.usage != nil {
		s.memory.spending.take(s.usage.own())
	}
	if errors.Is(err, limiterstore.ErrNotValid) {
		err = conditions.LimiterClosed("the limiter's counters are being set: nothing is admitted until that is done")
	}
	below, findErr := index.DocumentsBelow(ctx, c.client, client.ObjectKeyFromObject(s.budget))
	if findErr != nil {
		return findErr
	}
	inheriting, readErr := c.limiter.Documents(ctx, below...)
	putErr := s.rollout.Err
	s.rollout = conditions.RolloutOf(observed, s.budget).Inherited(observed.Fleet, inheriting, s.budget)
	s.rollout.Err = errors.Join(putErr, err, readErr)
	s.rollout = c.prober.Prove(ctx, s.rollout, s.budget, s.budget.Spec.Tenant, below, s.now)
	return nil
}

// usageUnder is the state of the money under a tenant's document.
func (c *Controller) usageUnder(ctx context.Context, tenant limiterv1.Tenant) (*usage, error) {
	u := &usage{root: tenant.Root(), shadow: tenant.Enforcement == limiterv1.Shadow}
	for _, l := range append([]limiterv1.Level{tenant.Level}, tenant.Ancestors...) {
		var limits []limiterv1.MoneyLimit
		for _, limit := range l.Money {
			if limit.Per == limiterv1.PerTenant {
				limits = append(limits, limit)
			}
		}
		counters, err := c.limiter.Counters(ctx, tenant.Root(), l.Tenant, limits...)
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
