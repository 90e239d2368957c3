package identityprovider

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/feed"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
)

//+kubebuilder:rbac:groups=bursar.dev,resources=identityproviders,verbs=get;list;watch;patch
//+kubebuilder:rbac:groups=bursar.dev,resources=identityproviders/status,verbs=patch
//+kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create
//+kubebuilder:rbac:urls=/.well-known/openid-configuration;/openid/v1/jwks,verbs=get

// wantedPriority makes an issuer go first if callers wait for its keys.
const wantedPriority = 20

// watch adds the watches of the controller.
func (c *Controller) watch(b *builder.Builder, news *feed.Feed) *builder.Builder {
	changed := builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, predicate.Funcs{UpdateFunc: issuerChanged}))
	return b.
		For(&v1alpha1.IdentityProvider{}, changed).
		// The other providers with the same issuer: it may now belong to one of them.
		Watches(&v1alpha1.IdentityProvider{}, handler.EnqueueRequestsFromMapFunc(c.rivalsOf), changed).
		WatchesRawSource(source.Func(c.hearWanted)).
		WatchesRawSource(news.Source(feed.Audience{Objects: c.client, List: &v1alpha1.IdentityProviderList{}, Waiting: c.waiting}))
}

// issuerChanged reports whether the name of the issuer, which may be the cluster's, has become known.
func issuerChanged(e event.UpdateEvent) bool {
	return e.ObjectOld.(*v1alpha1.IdentityProvider).Status.Issuer != e.ObjectNew.(*v1alpha1.IdentityProvider).Status.Issuer
}

// rivalsOf are the other providers with the same issuer.
func (c *Controller) rivalsOf(ctx context.Context, object client.Object) []reconcile.Request {
	rivals, err := acceptance.SameIssuer(ctx, c.client, object.(*v1alpha1.IdentityProvider))
	if err != nil {
		log.FromContext(ctx).Error(err, "Failed to find the IdentityProviders with the same issuer", "provider", object.GetName())
	}
	var requests []reconcile.Request
	for _, rival := range rivals {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(rival)})
	}
	return requests
}

// hearWanted adds the providers whose keys enforcers miss, until ctx ends.
func (c *Controller) hearWanted(ctx context.Context, queue feed.Queue) error {
	go func() {
		tick := time.NewTicker(limiterv1.WantedKeysLook)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				c.addWanted(ctx, queue)
			}
		}
	}()
	return nil
}

func (c *Controller) addWanted(ctx context.Context, queue feed.Queue) {
	names, err := c.wanted.Take(ctx)
	if err != nil && ctx.Err() == nil {
		log.FromContext(ctx).V(1).Info("Failed to read which keys enforcers miss", "error", err.Error())
	}
	for _, name := range names {
		c.fetches.want(name)
		request := reconcile.Request{NamespacedName: types.NamespacedName{Name: name}}
		if byPriority, ok := queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
			byPriority.AddWithOpts(priorityqueue.AddOpts{Priority: ptr.To(wantedPriority)}, request)
		} else {
			queue.Add(request)
		}
	}
}
