package main

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
)

// object is a TenantBudget or a RateLimitPolicy.
type object interface {
	client.Object
	conditions.Object
}

// watcher sees what anybody sees who watches.
type watcher struct {
	mu sync.Mutex
	// generations are those that objects are programmed at.
	generations map[string]int64
	// open are the budgets whose breaker is shown to be open.
	open map[string]bool
}

func watch(ctx context.Context, config *rest.Config, scheme *runtime.Scheme) (*watcher, error) {
	w := &watcher{generations: map[string]int64{}, open: map[string]bool{}}
	objects, err := cache.New(config, cache.Options{Scheme: scheme, DefaultTransform: cache.TransformStripManagedFields()})
	if err != nil {
		return nil, err
	}
	for _, kind := range []client.Object{&v1alpha1.TenantBudget{}, &v1alpha1.RateLimitPolicy{}} {
		informer, err := objects.GetInformer(ctx, kind)
		if err != nil {
			return nil, err
		}
		_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc:    func(added any) { w.see(added.(object)) },
			UpdateFunc: func(_, updated any) { w.see(updated.(object)) },
		})
		if err != nil {
			return nil, err
		}
	}
	go func() { _ = objects.Start(ctx) }() // it ends with the context
	return w, nil
}

func (w *watcher) see(o object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if conditions.IsProgrammed(o) {
		w.generations[key(o)] = o.GetGeneration()
	}
	w.open[o.GetName()] = w.open[o.GetName()] ||
		meta.IsStatusConditionTrue(o.GetProgrammedStatus().Conditions, v1alpha1.ConditionBreakerOpen)
}

func key(o object) string {
	if _, isBudget := o.(*v1alpha1.TenantBudget); isBudget {
		return "budget " + o.GetName()
	}
	return "policy " + o.GetName()
}

// programmed is how many objects are, or have been.
func (w *watcher) programmed() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.generations)
}

// isProgrammed reports whether the object is shown to be, at its generation.
func (w *watcher) isProgrammed(o object) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.generations[key(o)] >= o.GetGeneration()
}

func (w *watcher) isOpen(budget string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open[budget]
}
