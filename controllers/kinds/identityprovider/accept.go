package identityprovider

import (
	"context"

	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/analysis"
)

// accept decides whether the provider is valid and no other provider has its issuer, and
// compiles it if so.
func (c *Controller) accept(ctx context.Context, s *scope) error {
	decided, err := acceptance.DecideIdentityProvider(ctx, c.client, s.Object)
	if err != nil {
		return err
	}
	s.Accepted, s.document, s.forfeited = decided.Verdict, decided.Document, decided.Forfeited
	s.Warning = analysis.Verdict(nil) // there are no warnings of this kind
	return nil
}
