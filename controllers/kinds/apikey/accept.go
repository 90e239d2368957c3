package apikey

import (
	"context"

	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
)

// accept decides whether the APIKey is valid, and compiles its keys if so.
func (c *Controller) accept(ctx context.Context, s *scope) error {
	decided, err := acceptance.DecideAPIKey(ctx, c.client, s.Object)
	if err != nil {
		return err
	}
	s.Accepted, s.documents, s.forfeited, s.tenant = decided.Verdict, decided.Documents, decided.Forfeited, decided.Tenant
	return nil
}
