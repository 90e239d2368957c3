package budgetgrant

import (
	"context"

	"github.com/bursar-dev/bursar/controllers/rules/analysis"
)

// analyze finds what in the spec looks like a mistake. A grant that has expired is only a record, and has
// no warnings.
func (c *Controller) analyze(ctx context.Context, s *scope) error {
	if s.expired() {
		s.Warning = analysis.Verdict(nil)
		return nil
	}
	warnings, err := c.analyzer.BudgetGrant(ctx, s.Object, s.budget)
	if err != nil {
		return err
	}
	s.Warning = analysis.Verdict(warnings)
	return nil
}
