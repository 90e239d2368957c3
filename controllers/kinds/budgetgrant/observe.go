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

// observe looks for the grant in the document of its budget's tenant, in those that
// inherit from it, and for those who run them; and reads the clock that counts.
func (c *Controller) observe(ctx context.Context, s *scope) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	root := s.grant.Namespace
	if s.budget != nil {
		id := limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: s.budget.Spec.Tenant}
		observed, err := c.limiter.Observe(ctx, id)
		below, findErr := index.DocumentsBelow(ctx, c.client, client.ObjectKeyFromObject(s.budget))
		if findErr != nil {
			return findErr
		}
		inheriting, readErr := c.limiter.Documents(ctx, below...)
		s.rollout = conditions.RolloutOf(observed, s.grant).Inherited(observed.Fleet, inheriting, s.grant)
		s.rollout.Err = errors.Join(err, readErr)
		root = rootOf(observed.Body, s.budget.Spec.Tenant)
	}
	now, err := c.limiter.Now(ctx, root)
	s.storeNow, s.rollout.Err = now, errors.Join(s.rollout.Err, err)
	return nil
}

// rootOf is the tenant at the top of the budget tree by a tenant's document, and the
// tenant itself while it has none.
func rootOf(document []byte, tenant string) string {
	var compiled limiterv1.Tenant
	if json.Unmarshal(document, &compiled) != nil {
		return tenant
	}
	return compiled.Root()
}
