package tenantbudget

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rollout/feed"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/index"
)

//+kubebuilder:rbac:groups=bursar.dev,resources=tenantbudgets,verbs=get;list;watch;patch
//+kubebuilder:rbac:groups=bursar.dev,resources=tenantbudgets/status,verbs=patch
//+kubebuilder:rbac:groups=bursar.dev,resources=ratelimitpolicies;budgetgrants,verbs=list;watch
//+kubebuilder:rbac:groups="",resources=namespaces,verbs=list;watch
//+kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create

// watch adds the watches of the controller.
func (c *Controller) watch(b *builder.Builder, news *feed.Feed) *builder.Builder {
	specChanged := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	// Policies select budgets by labels.
	specOrLabels := predicate.Or(predicate.GenerationChangedPredicate{}, predicate.LabelChangedPredicate{})
	return b.
		For(&v1alpha1.TenantBudget{}, builder.WithPredicates(specOrLabels)).
		// The other budgets that name the tenant: it may now belong to one of them.
		Watches(&v1alpha1.TenantBudget{}, handler.EnqueueRequestsFromMapFunc(c.rivalsOf), specChanged).
		Watches(&v1alpha1.TenantBudget{}, handler.EnqueueRequestsFromMapFunc(c.descendantsOf), builder.WithPredicates(
			predicate.Or(specOrLabels, predicate.Funcs{UpdateFunc: acceptanceChanged}))).
		// The budgets above a deleted one: they do not have to wait for its document any more.
		Watches(&v1alpha1.TenantBudget{}, handler.EnqueueRequestsFromMapFunc(c.above), builder.WithPredicates(onlyDeleted)).
		Watches(&v1alpha1.TenantBudget{}, handler.EnqueueRequestsFromMapFunc(c.parentOf), builder.WithPredicates(
			predicate.Or(predicate.GenerationChangedPredicate{}, predicate.Funcs{UpdateFunc: promiseChanged}))).
		Watches(&v1alpha1.RateLimitPolicy{}, handler.EnqueueRequestsFromMapFunc(c.targetOf), specChanged).
		Watches(&v1alpha1.RateLimitPolicy{}, rollout.EnqueueLowPriority(c.selectedBy), specChanged).
		Watches(&v1alpha1.BudgetGrant{}, handler.EnqueueRequestsFromMapFunc(c.granted), builder.WithPredicates(
			predicate.Or(predicate.GenerationChangedPredicate{}, predicate.Funcs{UpdateFunc: beganOrEnded}))).
		Watches(&v1alpha1.ModelProvider{}, rollout.EnqueueLowPriority(c.namingModels), specChanged).
		WatchesMetadata(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(c.affectedBy),
			builder.WithPredicates(predicate.LabelChangedPredicate{})).
		WatchesMetadata(&corev1.Namespace{}, rollout.EnqueueLowPriority(c.selectedFrom), builder.WithPredicates(delegationChanged)).
		WatchesRawSource(news.Source(feed.Audience{
			Objects: c.client, List: &v1alpha1.TenantBudgetList{}, OfTenant: c.concernedBy, OfProbe: c.budgetsNaming, OfLedger: true, Waiting: c.waiting,
		}))
}

var onlyDeleted = predicate.Funcs{
	CreateFunc: func(event.CreateEvent) bool { return false },
	UpdateFunc: func(event.UpdateEvent) bool { return false },
}

// acceptanceChanged reports whether a budget changed in what its descendants depend on
// besides its spec: whether it is accepted.
func acceptanceChanged(e event.UpdateEvent) bool {
	was, is := e.ObjectOld.(*v1alpha1.TenantBudget), e.ObjectNew.(*v1alpha1.TenantBudget)
	return acceptance.ParentVerdict(was, nil) != acceptance.ParentVerdict(is, nil)
}

// promiseChanged reports whether a budget changed in what its parent depends on besides its
// spec: whether it is accepted.
func promiseChanged(e event.UpdateEvent) bool {
	was, is := e.ObjectOld.(*v1alpha1.TenantBudget), e.ObjectNew.(*v1alpha1.TenantBudget)
	return acceptance.TargetVerdict(was, nil) != acceptance.TargetVerdict(is, nil)
}

// parentOf is the parent of a budget.
func (c *Controller) parentOf(ctx context.Context, object client.Object) []reconcile.Request {
	budget := object.(*v1alpha1.TenantBudget)
	if budget.Spec.ParentRef == nil {
		return nil
	}
	_, key, err := acceptance.ParentOf(ctx, c.client, budget)
	if client.IgnoreNotFound(err) != nil {
		log.FromContext(ctx).Error(err, "Failed to find the parent of a TenantBudget", "budget", client.ObjectKeyFromObject(budget))
	}
	return requests(key)
}

// targetOf is the budget that a policy names, and all that inherit from it.
func (c *Controller) targetOf(ctx context.Context, object client.Object) []reconcile.Request {
	policy := object.(*v1alpha1.RateLimitPolicy)
	if policy.Spec.TargetRef == nil {
		return nil
	}
	target := types.NamespacedName{Namespace: policy.Namespace, Name: policy.Spec.TargetRef.Name}
	return append(requests(target), c.descendants(ctx, target)...)
}

// selectedBy are the budgets that a policy selects, and all that inherit from them.
func (c *Controller) selectedBy(ctx context.Context, object client.Object) []reconcile.Request {
	policy := object.(*v1alpha1.RateLimitPolicy)
	if policy.Spec.TargetSelector == nil {
		return nil
	}
	selected, err := acceptance.Selected(ctx, c.client, policy)
	if err != nil {
		log.FromContext(ctx).Error(err, "Failed to find the TenantBudgets of a RateLimitPolicy", "policy", client.ObjectKeyFromObject(policy))
	}
	var keys []types.NamespacedName
	for _, budget := range selected {
		keys = append(keys, client.ObjectKeyFromObject(budget))
	}
	return append(requests(keys...), c.descendants(ctx, keys...)...)
}

// selectedFrom are the budgets that the policies of a namespace select in other namespaces,
// which depends on whether their own namespace is delegated.
func (c *Controller) selectedFrom(ctx context.Context, namespace client.Object) []reconcile.Request {
	var policies v1alpha1.RateLimitPolicyList
	err := c.client.List(ctx, &policies,
		client.InNamespace(namespace.GetName()), client.MatchingFields{index.PolicySelects: index.Beyond})
	if err != nil {
		log.FromContext(ctx).Error(err, "Failed to find the RateLimitPolicies of a namespace", "namespace", namespace.GetName())
	}
	var selected []reconcile.Request
	for i := range policies.Items {
		selected = append(selected, c.selectedBy(ctx, &policies.Items[i])...)
	}
	return selected
}

// delegationChanged passes changes by which a namespace becomes delegated, or ceases to be.
var delegationChanged = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	return e.ObjectOld.GetLabels()[v1alpha1.DelegatedLabel] != e.ObjectNew.GetLabels()[v1alpha1.DelegatedLabel]
}}

// granted is the budget that a grant is for, and all that inherit from it.
func (c *Controller) granted(ctx context.Context, object client.Object) []reconcile.Request {
	grant := object.(*v1alpha1.BudgetGrant)
	budget := types.NamespacedName{Namespace: grant.Namespace, Name: grant.Spec.BudgetRef.Name}
	return append(requests(budget), c.descendants(ctx, budget)...)
}

// beganOrEnded reports whether a grant was recorded, or has expired.
func beganOrEnded(e event.UpdateEvent) bool {
	was, is := e.ObjectOld.(*v1alpha1.BudgetGrant), e.ObjectNew.(*v1alpha1.BudgetGrant)
	return is.IsExpired() != was.IsExpired() || is.IsRecorded() != was.IsRecorded()
}

// descendantsOf are the budgets that inherit from a budget.
func (c *Controller) descendantsOf(ctx context.Context, object client.Object) []reconcile.Request {
	return c.descendants(ctx, client.ObjectKeyFromObject(object))
}

// above are the budgets that a budget inherits from, as far as they are there.
func (c *Controller) above(ctx context.Context, object client.Object) []reconcile.Request {
	var above []types.NamespacedName
	at := object.(*v1alpha1.TenantBudget)
	for at.Spec.ParentRef != nil && len(above) < limiterv1.MaxDepth {
		parent, key, err := acceptance.ParentOf(ctx, c.client, at)
		if err != nil {
			break // it is gone, so those above it are unknown
		}
		above, at = append(above, key), parent
	}
	return requests(above...)
}

func (c *Controller) descendants(ctx context.Context, keys ...types.NamespacedName) []reconcile.Request {
	below, err := index.Below(ctx, c.client, keys...)
	if err != nil {
		log.FromContext(ctx).Error(err, "Failed to find the descendants of TenantBudgets", "budgets", keys)
	}
	return requests(keysOf(below)...)
}

func keysOf(budgets []v1alpha1.TenantBudget) []types.NamespacedName {
	var keys []types.NamespacedName
	for i := range budgets {
		keys = append(keys, client.ObjectKeyFromObject(&budgets[i]))
	}
	return keys
}

func requests(keys ...types.NamespacedName) []reconcile.Request {
	var requests []reconcile.Request
	for _, key := range keys {
		requests = append(requests, reconcile.Request{NamespacedName: key})
	}
	return requests
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

// affectedBy are the budgets that depend on the labels of a namespace: those in it, because the labels
// decide which tenants and parents they may name, all that name the same tenants, and all that inherit
// from them.
func (c *Controller) affectedBy(ctx context.Context, namespace client.Object) []reconcile.Request {
	var budgets v1alpha1.TenantBudgetList
	if err := c.client.List(ctx, &budgets, client.InNamespace(namespace.GetName())); err != nil {
		log.FromContext(ctx).Error(err, "Failed to find the TenantBudgets of a namespace", "namespace", namespace.GetName())
		return nil
	}
	var affected []reconcile.Request
	for i := range budgets.Items {
		affected = append(affected, c.naming(ctx, budgets.Items[i].Spec.Tenant)...)
		affected = append(affected, c.descendantsOf(ctx, &budgets.Items[i])...)
	}
	return affected
}

func (c *Controller) naming(ctx context.Context, tenant string) []reconcile.Request {
	keys, err := c.budgetsNaming(ctx, tenant)
	if err != nil {
		log.FromContext(ctx).Error(err, "Failed to find the TenantBudgets of a tenant", "tenant", tenant)
	}
	return requests(keys...)
}

// concernedBy are the budgets that news of a tenant's money is about: those that
// name it, and those below them.
func (c *Controller) concernedBy(ctx context.Context, tenant string) ([]types.NamespacedName, error) {
	concerned, err := c.budgetsNaming(ctx, tenant)
	if err != nil {
		return nil, err
	}
	for _, key := range slices.Clone(concerned) {
		below, err := index.Below(ctx, c.client, key)
		if err != nil {
			return nil, err
		}
		concerned = append(concerned, keysOf(below)...)
	}
	return concerned, nil
}

// budgetsNaming are the budgets that name the tenant.
func (c *Controller) budgetsNaming(ctx context.Context, tenant string) ([]types.NamespacedName, error) {
	var budgets v1alpha1.TenantBudgetList
	if err := c.client.List(ctx, &budgets, client.MatchingFields{index.BudgetTenant: tenant}); err != nil {
		return nil, err
	}
	return keysOf(budgets.Items), nil
}
