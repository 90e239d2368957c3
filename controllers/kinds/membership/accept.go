package membership

import (
	"context"

	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
)

// accept decides whether the Membership is valid, and compiles it if so.
func (c *Controller) accept(ctx context.Context, s *scope) (err error) {
	if s.decided, err = acceptance.DecideMembership(ctx, c.client, s.Object); err != nil {
		return err
	}
	s.Accepted = s.decided.Verdict
	return nil
}
