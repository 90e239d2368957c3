package budgetgrant

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/bursar-dev/bursar/api/compile"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

// gives reports whether the grant gives something, which is on record.
func (s *scope) gives() bool { return s.Accepted.Holds() }

// record records the grant in Postgres. The budget counts the grant once its status says
// that it is on record.
func (c *Controller) record(ctx context.Context, s *scope) error {
	if s.budget == nil || !s.Accepted.Holds() || s.expired() {
		return nil
	}
	if err := c.recordGrant(ctx, s.Object, s.budget); err != nil {
		return err
	}
	s.recorded = true
	return nil
}

func (c *Controller) recordGrant(ctx context.Context, grant *v1alpha1.BudgetGrant, budget *v1alpha1.TenantBudget) error {
	compiled, errs := compile.Grant(grant, budget)
	if len(errs) > 0 {
		return nil // the budget has changed: what was on record before stays
	}
	var currency, written string
	if declared := budget.Spec.Currency; declared != nil {
		currency, written = declared.Code, string(grant.Spec.Amount)
	}
	ctx, cancel := context.WithTimeout(ctx, rollout.StoreTimeout)
	defer cancel()
	return c.grants.Record(ctx, budgetstore.Grant{
		Currency:  currency,
		Written:   written,
		Grant:     compiled,
		UID:       string(grant.UID),
		Tenant:    budget.Spec.Tenant,
		Namespace: grant.Namespace,
		Limit:     grant.Spec.Limit,
		Reason:    grant.Spec.Reason,
		CreatedAt: grant.CreationTimestamp.UTC(),
		Gist:      budgetstore.Gist(grant.Spec),
	})
}

// withdraw closes the record of a grant that is being deleted. The budget's controller
// removes the grant from the tenant's document.
func (c *Controller) withdraw(ctx context.Context, grant *v1alpha1.BudgetGrant) (bool, error) {
	decided, err := acceptance.DecideBudgetGrant(ctx, c.client, grant)
	if err != nil {
		return false, err
	}
	if decided.Budget != nil && meta.IsStatusConditionTrue(grant.Status.Conditions, v1alpha1.ConditionAccepted) {
		// Postgres may have lost it since.
		if err := c.recordGrant(ctx, grant, decided.Budget); err != nil {
			return false, err
		}
	}
	return c.grants.Close(ctx, string(grant.UID))
}
