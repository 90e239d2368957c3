package budgetgrant

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/feed"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/index"
)

//+kubebuilder:rbac:groups=bursar.dev,resources=budgetgrants,verbs=get;list;watch;patch
//+kubebuilder:rbac:groups=bursar.dev,resources=budgetgrants/status,verbs=patch
//+kubebuilder:rbac:groups=bursar.dev,resources=tenantbudgets,verbs=list;watch
//+kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create

// watch adds the watches of the controller.
func (c *Controller) watch(b *builder.Builder, news *feed.Feed) *builder.Builder {
	specChanged := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	return b.
		For(&v1alpha1.BudgetGrant{}, specChanged).
		Watches(&v1alpha1.TenantBudget{}, handler.EnqueueRequestsFromMapFunc(c.grantsOf),
			builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, predicate.Funcs{UpdateFunc: concerns}))).
		Watches(&v1alpha1.BudgetGrant{}, handler.EnqueueRequestsFromMapFunc(c.inLine),
			builder.WithPredicates(predicate.Funcs{CreateFunc: never, UpdateFunc: gone})).
		WatchesRawSource(news.Source(feed.Audience{Objects: c.client, List: &v1alpha1.BudgetGrantList{}, Waiting: c.waiting}))
}

// concerns reports whether a budget changed in what its grants depend on besides its
// spec: whether it is accepted, and how far its document has got. What it has spent
// does not concern them.
func concerns(e event.UpdateEvent) bool {
	was, is := e.ObjectOld.(*v1alpha1.TenantBudget), e.ObjectNew.(*v1alpha1.TenantBudget)
	return was.Status.Revision != is.Status.Revision ||
		!equality.Semantic.DeepEqual(was.Status.Enforcers, is.Status.Enforcers) ||
		acceptance.TargetVerdict(was, nil) != acceptance.TargetVerdict(is, nil)
}

func never(event.CreateEvent) bool { return false }

// gone reports whether a grant has expired, or is being deleted: another grant may then
// count in its place.
func gone(e event.UpdateEvent) bool {
	was, is := e.ObjectOld.(*v1alpha1.BudgetGrant), e.ObjectNew.(*v1alpha1.BudgetGrant)
	return was.IsExpired() != is.IsExpired() || was.DeletionTimestamp.IsZero() != is.DeletionTimestamp.IsZero()
}

// grantsOf are the grants for a budget.
func (c *Controller) grantsOf(ctx context.Context, budget client.Object) []reconcile.Request {
	return c.requests(ctx, budget.GetNamespace(), budget.GetName(), func(*v1alpha1.BudgetGrant) bool { return true })
}

// inLine are the grants of the same budget that were one too many, for which the given
// grant may have made room.
func (c *Controller) inLine(ctx context.Context, object client.Object) []reconcile.Request {
	grant := object.(*v1alpha1.BudgetGrant)
	return c.requests(ctx, grant.Namespace, grant.Spec.BudgetRef.Name, func(g *v1alpha1.BudgetGrant) bool {
		accepted := meta.FindStatusCondition(g.Status.Conditions, v1alpha1.ConditionAccepted)
		return accepted != nil && accepted.Reason == v1alpha1.ReasonTooManyGrants
	})
}

// requests are the grants for a budget that are wanted, and have not expired.
func (c *Controller) requests(
	ctx context.Context, namespace, budget string, wanted func(*v1alpha1.BudgetGrant) bool,
) []reconcile.Request {
	var grants v1alpha1.BudgetGrantList
	err := c.client.List(ctx, &grants, client.InNamespace(namespace), client.MatchingFields{index.GrantBudget: budget})
	if err != nil {
		log.FromContext(ctx).Error(err, "Failed to find the BudgetGrants of a TenantBudget", "namespace", namespace, "budget", budget)
	}
	var requests []reconcile.Request
	for i := range grants.Items {
		if grant := &grants.Items[i]; !grant.IsExpired() && wanted(grant) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(grant)})
		}
	}
	return requests
}
