package modelprovider

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/feed"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
)

//+kubebuilder:rbac:groups=bursar.dev,resources=modelproviders,verbs=get;list;watch;patch
//+kubebuilder:rbac:groups=bursar.dev,resources=modelproviders/status,verbs=patch
//+kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create

// watch adds the watches of the controller.
func (c *Controller) watch(b *builder.Builder, news *feed.Feed) *builder.Builder {
	specChanged := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	return b.
		For(&v1alpha1.ModelProvider{}, specChanged).
		// The other providers with the same models: these may now belong to one of them.
		Watches(&v1alpha1.ModelProvider{}, handler.EnqueueRequestsFromMapFunc(c.rivalsOf), specChanged).
		WatchesRawSource(news.Source(feed.Audience{
			Objects: c.client, List: &v1alpha1.ModelProviderList{}, OfProvider: named, Waiting: c.waiting,
		}))
}

// named is the provider with a name.
func named(_ context.Context, name string) ([]types.NamespacedName, error) {
	return []types.NamespacedName{{Name: name}}, nil
}

// rivalsOf are the other providers that name something that only one provider can have.
func (c *Controller) rivalsOf(ctx context.Context, object client.Object) []reconcile.Request {
	rivals, err := acceptance.RivalsOf(ctx, c.client, object.(*v1alpha1.ModelProvider))
	if err != nil {
		log.FromContext(ctx).Error(err, "Failed to find the ModelProviders with the same models", "provider", object.GetName())
	}
	var requests []reconcile.Request
	for _, rival := range rivals {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(rival)})
	}
	return requests
}
