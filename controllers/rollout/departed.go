package rollout

import (
	"context"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Orphans withdraws what deleted objects have programmed.
type Orphans interface {
	// Withdraw calls withdraw unless the API server, asked past every cache, still has the
	// object. It reports to people if anything was withdrawn.
	Withdraw(ctx context.Context, kind string, object client.Object, withdraw func(context.Context) (bool, error)) error
}

// finalize withdraws what an object that is being deleted has programmed, and removes the finalizer.
func (r *Reconciler[O, T, S]) finalize(ctx context.Context, object O) error {
	if r.kind.Withdraw == nil || !HasFinalizer(object) {
		return nil
	}
	storeCtx, cancel := context.WithTimeout(ctx, StoreTimeout)
	defer cancel()
	if _, err := r.kind.Withdraw(storeCtx, object); err != nil {
		return err
	}
	if err := r.tellWithdrawn(ctx, object); err != nil {
		return err
	}
	r.departed.expect(object.GetUID())
	return RemoveFinalizer(ctx, r.kind.Client, object)
}

// tellWithdrawn writes to the status of an object that nothing of it is in force any more, if the finalizers
// of others keep the object. It returns only conflicts as errors: no other failure may keep the object.
func (r *Reconciler[O, T, S]) tellWithdrawn(ctx context.Context, object O) error {
	told := object.DeepCopyObject().(O)
	status := told.GetProgrammedStatus()
	if len(object.GetFinalizers()) == 1 || len(status.Conditions) == 0 {
		return nil
	}
	for _, condition := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionProgrammed} {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: condition, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonBeingDeleted, ObservedGeneration: object.GetGeneration(),
			Message: "nothing of it is in force any more: it is being deleted, and waits for the finalizers of others",
		})
	}
	observed, _ := r.kind.NewScope(Scope[O]{Object: told, Now: r.kind.Clock.Now()}).Statuses()
	resourceVersion, err := r.write(ctx, told, observed)
	switch err = goneIsConflict(object, err); {
	case apierrors.IsConflict(err):
		return err
	case err != nil:
		log.FromContext(ctx).Error(err, "Failed to write that nothing of a deleted object is in force")
		return nil
	}
	object.SetResourceVersion(resourceVersion)
	return nil
}

// withdrawDeparted withdraws what earlier objects of the name have programmed that were deleted
// without finalize: somebody removed their finalizers, or etcd was restored.
func (r *Reconciler[O, T, S]) withdrawDeparted(ctx context.Context, name types.NamespacedName) error {
	ctx, cancel := context.WithTimeout(ctx, StoreTimeout)
	defer cancel()
	for _, object := range r.departed.of(name) {
		err := r.kind.Orphans.Withdraw(ctx, r.kind.Name, object, func(ctx context.Context) (bool, error) {
			return r.kind.Withdraw(ctx, object)
		})
		if err != nil {
			return err
		}
		r.departed.done(object)
	}
	return nil
}

// departures are the objects that were deleted without finalize, as they were last seen,
// until what they have programmed is withdrawn.
type departures[O Object] struct {
	mu sync.Mutex
	// expected are the UIDs of objects whose finalizers finalize has removed.
	expected map[types.UID]bool
	objects  map[types.NamespacedName][]O
}

// handler records deleted objects, and enqueues their names.
func (d *departures[O]) handler() handler.EventHandler {
	return handler.Funcs{DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) {
		if object, ok := e.Object.(O); ok && d.take(object) {
			q.Add(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(object)})
		}
	}}
}

// take records a deleted object, and reports whether it was deleted without finalize.
func (d *departures[O]) take(object O) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.expected[object.GetUID()] {
		delete(d.expected, object.GetUID())
		return false
	}
	if d.objects == nil {
		d.objects = map[types.NamespacedName][]O{}
	}
	key := client.ObjectKeyFromObject(object)
	d.objects[key] = append(d.objects[key], object)
	return true
}

// expect records that an object is about to be deleted, and has nothing programmed any more.
func (d *departures[O]) expect(uid types.UID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.expected == nil {
		d.expected = map[types.UID]bool{}
	}
	d.expected[uid] = true
}

func (d *departures[O]) of(name types.NamespacedName) []O {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.objects[name])
}

func (d *departures[O]) done(object O) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := client.ObjectKeyFromObject(object)
	d.objects[key] = slices.DeleteFunc(d.objects[key], func(other O) bool { return other.GetUID() == object.GetUID() })
	if len(d.objects[key]) == 0 {
		delete(d.objects, key)
	}
}
