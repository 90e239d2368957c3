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

// Orphans are what objects have programmed that are gone.
type Orphans interface {
	// Withdraw has withdraw called, and tells of it if that was something, unless the
	// object is there, whatever a cache says.
	Withdraw(ctx context.Context, kind string, object client.Object, withdraw func(context.Context) (bool, error)) error
}

// finalize takes back what an object that is being deleted has programmed, and lets it go.
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

// tellWithdrawn has the status of an object say that nothing of it is in force any more, if others have
// finalizers in it, so that it stays. Only a conflict is an error: nothing else is to keep the object.
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

// withdrawDeparted takes back what objects have programmed that had the name and went
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

// departures are the objects that went without finalize, as they were last seen, until
// what they have programmed is withdrawn.
type departures[O Object] struct {
	mu sync.Mutex
	// expected are the UIDs of objects that finalize lets go.
	expected map[types.UID]bool
	objects  map[types.NamespacedName][]O
}

// handler takes in objects that are gone, and enqueues their names.
func (d *departures[O]) handler() handler.EventHandler {
	return handler.Funcs{DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) {
		if object, ok := e.Object.(O); ok && d.take(object) {
			q.Add(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(object)})
		}
	}}
}

// take takes in an object that is gone, and reports whether anything is to be done.
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

// expect says that an object is about to go, and has nothing programmed any more.
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
