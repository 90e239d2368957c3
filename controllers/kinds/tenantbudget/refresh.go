package tenantbudget

import (
	"context"
	"encoding/json"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
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
	for _, source := range ancestors {
		ancestor, isFit, err := c.ancestor(ctx, source)
		if err != nil {
			return err
		}
		if isFit {
			document = compile.Inherit(document, ancestor)
		}
	}
	return c.put(ctx, budget, document)
}

// ancestor compiles a budget that a document was compiled from, unless it is gone or
// is not to have effect itself.
func (c *Controller) ancestor(ctx context.Context, source limiterv1.Source) (compile.Ancestor, bool, error) {
	var budget v1alpha1.TenantBudget
	err := c.client.Get(ctx, types.NamespacedName{Namespace: source.Namespace, Name: source.Name}, &budget)
	if err != nil {
		return compile.Ancestor{}, false, client.IgnoreNotFound(err)
	}
	isSame := string(budget.UID) == source.UID && budget.DeletionTimestamp.IsZero()
	if !isSame || !acceptance.ParentVerdict(&budget, nil).Holds() {
		return compile.Ancestor{}, false, nil
	}
	ancestor, errs, err := acceptance.AncestorOf(ctx, c.client, &budget)
	return ancestor, len(errs) == 0, err
}
