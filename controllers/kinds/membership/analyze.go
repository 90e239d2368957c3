package membership

import (
	"context"

	"github.com/bursar-dev/bursar/controllers/rules/analysis"
)

// analyze finds what in the spec looks like a mistake.
func (c *Controller) analyze(ctx context.Context, s *scope) error {
	warnings, err := c.analyzer.Membership(ctx, s.Object)
	if err != nil {
		return err
	}
	s.Warning = analysis.Verdict(warnings)
	return nil
}
