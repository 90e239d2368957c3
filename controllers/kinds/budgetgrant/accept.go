package budgetgrant

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// accept decides whether the grant is valid and adds to a budget that is in force.
func (c *Controller) accept(ctx context.Context, s *scope) error {
	decided, err := acceptance.DecideBudgetGrant(ctx, c.client, s.Object)
	if err != nil {
		return err
	}
	s.Accepted, s.budget = decided.Verdict, decided.Budget
	return nil
}

// close keeps the last decision on a grant that has expired: there is nothing left to decide.
func (c *Controller) close(_ context.Context, s *scope) error {
	if !s.expired() {
		return nil
	}
	if accepted := meta.FindStatusCondition(s.Object.Status.Conditions, v1alpha1.ConditionAccepted); accepted != nil &&
		accepted.Reason != v1alpha1.ReasonInternalError {
		s.Accepted = verdict.Verdict{Status: accepted.Status, Reason: accepted.Reason, Message: accepted.Message}
		return nil
	}
	s.Accepted = verdict.Rejected(v1alpha1.ReasonExpired, field.Invalid(field.NewPath("spec", "expiresAt"),
		rfc3339(s.Object.Spec.ExpiresAt), "is in the past: nothing was granted").Error())
	return nil
}
