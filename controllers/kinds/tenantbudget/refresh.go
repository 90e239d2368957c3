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

// refresh brings up to date what the document of a budget that is not accepted
// inherits, and leaves the rest as it was. What an ancestor takes away, or a breaker
// that it forces, must not be escaped by a mistake in a budget below. Its counters are
// made valid like any others: calls are still made by the document.
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

// ancestor compiles the budget that governs an ancestor's tenant: the one that a document was
// compiled from, or else one that has taken the tenant over. A child does not escape the limits
// of that one by not following it. There is none where both are gone or are not to have effect.
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
