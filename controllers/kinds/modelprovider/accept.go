package modelprovider

import (
	"context"

	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
)

// accept decides whether the provider is valid and no other provider has one of its
// models, and compiles it if so.
func (c *Controller) accept(ctx context.Context, s *scope) error {
	decided, err := acceptance.DecideModelProvider(ctx, c.client, s.Object)
	if err != nil {
		return err
	}
	s.Accepted, s.document, s.lost = decided.Verdict, decided.Document, decided.Lost
	return nil
}
