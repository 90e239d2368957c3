package tenantbudget

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/analysis"
)

//+kubebuilder:rbac:groups=bursar.dev,resources=modelproviders;apikeys,verbs=list;watch

// namingModels are the budgets whose warnings may change with a ModelProvider: those that name models,
// and those that have a warning. All others are reconciled soon anyway.
func (c *Controller) namingModels(ctx context.Context, _ client.Object) []reconcile.Request {
	var budgets v1alpha1.TenantBudgetList
	if err := c.client.List(ctx, &budgets, client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "Failed to find the TenantBudgets that name models")
	}
	var keys []types.NamespacedName
	for i := range budgets.Items {
		if budget := &budgets.Items[i]; analysis.NamesModels(budget.Spec) || analysis.Warns(budget) {
			keys = append(keys, client.ObjectKeyFromObject(budget))
		}
	}
	return requests(keys...)
}
