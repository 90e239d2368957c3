package apikey

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rollout/feed"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/index"
)

//+kubebuilder:rbac:groups=bursar.dev,resources=apikeys,verbs=get;list;watch;patch
//+kubebuilder:rbac:groups=bursar.dev,resources=apikeys/status,verbs=patch
//+kubebuilder:rbac:groups=bursar.dev,resources=tenantbudgets,verbs=list;watch
//+kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create

// watch adds the watches of the controller.
func (c *Controller) watch(b *builder.Builder, news *feed.Feed) *builder.Builder {
	specChanged := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	return b.
		For(&v1alpha1.APIKey{}, specChanged).
		// The other APIKeys of the namespace with the same hash: it may now belong to one of them.
		Watches(&v1alpha1.APIKey{}, handler.EnqueueRequestsFromMapFunc(c.rivalsOf), specChanged).
		Watches(&v1alpha1.TenantBudget{}, handler.EnqueueRequestsFromMapFunc(c.keysOf),
			builder.WithPredicates(predicate.Funcs{UpdateFunc: concerns})).
		Watches(&v1alpha1.RateLimitPolicy{}, rollout.EnqueueLowPriority(c.limitedBy), builder.WithPredicates(limitsTiers)).
		WatchesRawSource(source.Func(c.hearUses)).
		WatchesRawSource(news.Source(feed.Audience{Objects: c.client, List: &v1alpha1.APIKeyList{}, Waiting: c.waiting}))
}

// concerns reports whether a budget changed in what its keys depend on: whether it is
// accepted, and whether it is being deleted.
func concerns(e event.UpdateEvent) bool {
	was, is := e.ObjectOld.(*v1alpha1.TenantBudget), e.ObjectNew.(*v1alpha1.TenantBudget)
	return was.DeletionTimestamp.IsZero() != is.DeletionTimestamp.IsZero() ||
		acceptance.TargetVerdict(was, nil) != acceptance.TargetVerdict(is, nil)
}

// keysOf are the keys whose calls a budget pays for.
func (c *Controller) keysOf(ctx context.Context, budget client.Object) []reconcile.Request {
	return c.find(ctx, client.InNamespace(budget.GetNamespace()), client.MatchingFields{index.KeyBudget: budget.GetName()})
}

// rivalsOf are the APIKeys of the namespace with one of the hashes of an APIKey.
func (c *Controller) rivalsOf(ctx context.Context, key client.Object) (rivals []reconcile.Request) {
	for _, hash := range key.(*v1alpha1.APIKey).Hashes() {
		rivals = append(rivals, c.find(ctx, client.InNamespace(key.GetNamespace()), client.MatchingFields{index.KeyHash: hash})...)
	}
	return rivals
}

func (c *Controller) find(ctx context.Context, which ...client.ListOption) []reconcile.Request {
	var keys v1alpha1.APIKeyList
	if err := c.client.List(ctx, &keys, which...); err != nil {
		log.FromContext(ctx).Error(err, "Failed to find the APIKeys to reconcile")
	}
	var requests []reconcile.Request
	for i := range keys.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&keys.Items[i])})
	}
	return requests
}
