package tenantbudget

import (
	"context"
	"encoding/json"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/index"
)

// refresh updates what the document of a budget that is not accepted inherits, and leaves
// the rest as it was: a mistake in a budget must not let its tenant escape lower limits, or
// a forced breaker, of an ancestor. The tenant's counters are made valid like any others,
// because calls are still admitted by the document.
func (c *Controller) refresh(ctx context.Context, budget *v1alpha1.TenantBudget) error {
	observed, err := c.documents.Observe(ctx, documentID(budget))
	if err != nil || !observed.OwnedBy(string(budget.UID)) {
		return err
	}
	var document limiterv1.Tenant
	if err := json.Unmarshal(observed.Body, &document); err != nil {
		return err
	}
	ancestors := compile.AncestorsOf(document)
	if len(ancestors) == 0 {
		return c.recounter.Recount(ctx, document)
	}
	for i, source := range ancestors {
		ancestor, isFit, err := c.ancestor(ctx, source, document.Ancestors[i].Tenant)
		if err != nil {
			return err
		}
		if isFit {
			document = compile.Inherit(document, ancestor)
		}
	}
	return c.put(ctx, budget, document)
}

// ancestor compiles the budget that governs an ancestor's tenant: the budget that the document was
// compiled from, or else the one that has taken over the tenant. A child whose parentRef still names
// the former does not escape the limits of the latter. There is none if both are gone or may not
// take effect.
func (c *Controller) ancestor(ctx context.Context, source limiterv1.Source, tenant string) (compile.Ancestor, bool, error) {
	var budgets v1alpha1.TenantBudgetList
	if err := c.client.List(ctx, &budgets, client.MatchingFields{index.BudgetTenant: tenant}); err != nil {
		return compile.Ancestor{}, false, err
	}
	var governing *v1alpha1.TenantBudget
	for i := range budgets.Items {
		budget := &budgets.Items[i]
		isSame := string(budget.UID) == source.UID
		switch {
		case !budget.DeletionTimestamp.IsZero():
		case isSame && acceptance.ParentVerdict(budget, nil).Holds():
			governing = budget
		case !isSame && governing == nil && acceptance.TargetVerdict(budget, nil).Holds():
			governing = budget
		}
	}
	if governing == nil {
		return compile.Ancestor{}, false, nil
	}
	ancestor, errs, err := acceptance.AncestorOf(ctx, c.client, governing)
	return ancestor, len(errs) == 0, err
}
