package budgetgrant

import (
	"context"
	"encoding/json"
	"errors"

	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rules/index"
)

// observe finds how far the grant has got: in the document of its budget's tenant, in
// those that inherit from it, and at the enforcers that run them.
func (c *Controller) observe(ctx context.Context, s *scope) error {
	if s.budget == nil {
		return nil
	}
	ctx, cancel := s.StoreContext(ctx)
	defer cancel()
	id := limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: s.budget.Spec.Tenant}
	observed, err := c.documents.Observe(ctx, id)
	below, findErr := index.DocumentsBelow(ctx, c.client, client.ObjectKeyFromObject(s.budget))
	inheriting, readErr := c.documents.List(ctx, below...)
	s.Rollout = conditions.RolloutOf(observed, s.Object).Inherited(observed.Fleet, inheriting, s.Object)
	s.root = rootOf(observed.Body, s.budget.Spec.Tenant)
	return errors.Join(err, findErr, readErr)
}

// readClock reads the clock that decides whether the grant counts.
func (c *Controller) readClock(ctx context.Context, s *scope) (err error) {
	ctx, cancel := s.StoreContext(ctx)
	defer cancel()
	s.storeNow, err = c.clock.Now(ctx, s.root)
	return err
}

// rootOf is the tenant at the top of the budget tree, by a tenant's document; the tenant
// itself while it has no document.
func rootOf(document []byte, tenant string) string {
	var compiled limiterv1.Tenant
	if json.Unmarshal(document, &compiled) != nil {
		return tenant
	}
	return compiled.Root()
}
