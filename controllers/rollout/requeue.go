package rollout

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

const (
	// stale is the pause before an object that has changed since it was read is read again: the
	// cache will have the newer version in a moment.
	stale = 50 * time.Millisecond
	// soonest and latest bound the pauses between looks at an object on its way to
	// the enforcers.
	soonest = 200 * time.Millisecond
	latest  = 10 * time.Second
	// firstRetry and lastRetry bound the pauses after errors.
	firstRetry = 50 * time.Millisecond
	lastRetry  = 10 * time.Second
	// lookPriority makes periodic reconciles wait for objects that are new, have changed, or
	// have news. Requeued objects otherwise keep the priority of their last request, and a busy
	// manager would never get to the others.
	lookPriority = handler.LowPriority
)

// routine is how often every object is reconciled without a cause, in case an event was missed.
const routine = 5 * time.Minute

// Jitter is a pause of about d, up to a tenth longer, so that objects that were reconciled
// together spread out.
func Jitter(d time.Duration) time.Duration {
	return d + rand.N(d/10+1)
}

// RequeueAfter is the pause until the object may have news, or until its delayed status has
// to be written.
func (s *Scope[O]) RequeueAfter() time.Duration {
	pause := Jitter(routine)
	if s.Accepted.Holds() && !s.Rollout.Programmed(s.Accepted).Holds() {
		pause = PendingInterval(s.Object.GetProgrammedStatus().Conditions, s.Now)
	}
	if s.StatusDelay > 0 {
		pause = min(pause, s.StatusDelay)
	}
	return pause
}

// PendingInterval is the pause until an object that is not programmed yet is reconciled
// again: short at first, and longer the longer it has waited. The feed reports when enforcers
// catch up; the pause is for messages that get lost.
func PendingInterval(conditions []metav1.Condition, now time.Time) time.Duration {
	waited := latest
	if programmed := meta.FindStatusCondition(conditions, v1alpha1.ConditionProgrammed); programmed != nil {
		waited = now.Sub(programmed.LastTransitionTime.Time)
	}
	return Jitter(min(max(waited/4, soonest), latest))
}

// requeueAfter requeues an object after a pause or, if there was an error, after the
// controller's pause for errors.
func requeueAfter(pause time.Duration, err error) (reconcile.Result, error) {
	if err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: pause, Priority: ptr.To(lookPriority)}, nil
}

// beginningAnew wraps a Reconciler: a conflict, because the object has changed since it was
// read, does not count as an error, and the object is reconciled anew.
func beginningAnew(inner reconcile.Reconciler) reconcile.Reconciler {
	return reconcile.Func(func(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
		result, err := inner.Reconcile(ctx, request)
		if apierrors.IsConflict(err) {
			return reconcile.Result{RequeueAfter: stale}, nil
		}
		return result, err
	})
}

// goneIsConflict turns a NotFound error, which means that an object was deleted between reading and writing
// it, into a conflict: nothing has failed, and the reconcile starts over.
func goneIsConflict(object client.Object, err error) error {
	if !apierrors.IsNotFound(err) {
		return err
	}
	resource := schema.GroupResource{Group: v1alpha1.GroupVersion.Group}
	return apierrors.NewConflict(resource, object.GetName(), fmt.Errorf("it is gone since it was read: %w", err))
}

// workers is how many objects of a kind are reconciled at once. With few workers, thousands of objects
// that are applied at once would be programmed long after the API server has accepted them: the requests
// of, say, 16 clients that write outnumber the manager's at the API server.
const workers = 24

// options are the controllers' options: many workers, which mostly wait for the API
// server and the stores, and pauses after errors that stay short enough to notice soon
// that a store is back.
func options() controller.Options {
	return controller.Options{
		MaxConcurrentReconciles: workers,
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
	}
}
