package rollout

import (
	"context"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// manyPriority is for the many objects that one change may affect: they come after objects
// that have changed themselves, and before periodic reconciles.
const manyPriority = handler.LowPriority / 2

// DelayedRequest is an object to reconcile after a pause. However often it is requested meanwhile,
// it is reconciled once.
type DelayedRequest struct {
	reconcile.Request
	Pause time.Duration
}

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// EnqueueDelayed enqueues the objects that find returns for a changed object, each after
// its pause.
func EnqueueDelayed(find func(ctx context.Context, changed client.Object) []DelayedRequest) handler.EventHandler {
	return each(func(ctx context.Context, q queue, changed client.Object) {
		for _, delayed := range find(ctx, changed) {
			q.AddAfter(delayed.Request, delayed.Pause)
		}
	})
}

// EnqueueLowPriority enqueues the objects that find returns for a changed object, which
// may be many, behind those that have changed themselves.
func EnqueueLowPriority(find handler.MapFunc) handler.EventHandler {
	return each(func(ctx context.Context, q queue, changed client.Object) {
		AddLowPriority(q, find(ctx, changed)...)
	})
}

// AddLowPriority enqueues objects behind those that have changed themselves.
func AddLowPriority(q workqueue.TypedRateLimitingInterface[reconcile.Request], requests ...reconcile.Request) {
	if q, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		q.AddWithOpts(priorityqueue.AddOpts{Priority: ptr.To(manyPriority)}, requests...)
		return
	}
	for _, request := range requests {
		q.Add(request)
	}
}

// each calls take with every object that is created, updated (as it was and as it is) or deleted.
func each(take func(context.Context, queue, client.Object)) handler.EventHandler {
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { take(ctx, q, e.Object) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			take(ctx, q, e.ObjectOld)
			take(ctx, q, e.ObjectNew)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { take(ctx, q, e.Object) },
	}
}
