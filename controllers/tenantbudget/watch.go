package tenantbudget

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/feed"
	"github.com/bursar-dev/bursar/controllers/index"
)

//+kubebuilder:rbac:groups=bursar.dev,resources=tenantbudgets,verbs=get;list;watch;patch
//+kubebuilder:rbac:groups=bursar.dev,resources=tenantbudgets/status,verbs=patch
//+kubebuilder:rbac:groups=bursar.dev,resources=ratelimitpolicies,verbs=get;list;watch
//+kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
//+kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// watch says what is news to the controller.
func (c *Controller) watch(b *builder.Builder, news *feed.Feed) *builder.Builder {
	specChanged := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	return b.
		For(&v1alpha1.TenantBudget{}, specChanged).
		// The others that name the tenant: one of them may have it now.
		Watches(&v1alpha1.TenantBudget{}, handler.EnqueueRequestsFromMapFunc(c.rivalsOf), specChanged).
		Watches(&v1alpha1.RateLimitPolicy{}, handler.EnqueueRequestsFromMapFunc(targetOf), specChanged).
		WatchesMetadata(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(c.affectedBy),
			builder.WithPredicates(predicate.LabelChangedPredicate{})).
		WatchesRawSource(news.Source(feed.Audience{
			Objects: c.client, List: &v1alpha1.TenantBudgetList{}, OfTenant: c.budgetsNaming,
		}))
}

// targetOf is the budget that a policy applies to.
func targetOf(_ context.Context, object client.Object) []reconcile.Request {
	policy := object.(*v1alpha1.RateLimitPolicy)
	return []reconcile.Request{{NamespacedName: types.NamespacedName{
		Namespace: policy.Namespace, Name: policy.Spec.TargetRef.Name,
	}}}
}

// rivalsOf are the other budgets that name the tenant that a budget names.
func (c *Controller) rivalsOf(ctx context.Context, object client.Object) []reconcile.Request {
	var rivals []reconcile.Request
	for _, request := range c.naming(ctx, object.(*v1alpha1.TenantBudget).Spec.Tenant) {
		if request.NamespacedName != client.ObjectKeyFromObject(object) {
			rivals = append(rivals, request)
		}
	}
	return rivals
}

// affectedBy are the budgets in a namespace, which may or may not name their
// tenants now, and with them all that name the same tenants.
func (c *Controller) affectedBy(ctx context.Context, namespace client.Object) []reconcile.Request {
	var budgets v1alpha1.TenantBudgetList
	if err := c.client.List(ctx, &budgets, client.InNamespace(namespace.GetName())); err != nil {
		log.FromContext(ctx).Error(err, "Cannot find the budgets of a namespace", "namespace", namespace.GetName())
		return nil
	}
	var affected []reconcile.Request
	for i := range budgets.Items {
		affected = append(affected, c.naming(ctx, budgets.Items[i].Spec.Tenant)...)
	}
	return affected
}

func (c *Controller) naming(ctx context.Context, tenant string) []reconcile.Request {
	keys, err := c.budgetsNaming(ctx, tenant)
	if err != nil {
		log.FromContext(ctx).Error(err, "Cannot find the budgets of a tenant", "tenant", tenant)
	}
	var requests []reconcile.Request
	for _, key := range keys {
		requests = append(requests, reconcile.Request{NamespacedName: key})
	}
	return requests
}

// budgetsNaming are the budgets that name the tenant.
func (c *Controller) budgetsNaming(ctx context.Context, tenant string) ([]types.NamespacedName, error) {
	var budgets v1alpha1.TenantBudgetList
	if err := c.client.List(ctx, &budgets, client.MatchingFields{index.BudgetTenant: tenant}); err != nil {
		return nil, err
	}
	var keys []types.NamespacedName
	for i := range budgets.Items {
		keys = append(keys, client.ObjectKeyFromObject(&budgets.Items[i]))
	}
	return keys, nil
}
