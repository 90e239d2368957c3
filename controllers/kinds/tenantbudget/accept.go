package tenantbudget

import (
	"context"

	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
)

// accept decides whether the budget may take effect, and compiles it if so.
func (c *Controller) accept(ctx context.Context, s *scope) error {
	decided, err := acceptance.DecideTenantBudget(ctx, c.client, s.Object)
	if err != nil {
		return err
	}
	s.Accepted, s.document, s.forfeited = decided.Verdict, decided.Document, decided.Forfeited
	return nil
}
