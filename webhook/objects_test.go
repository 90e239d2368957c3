package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// newNamespace makes a namespace that no other test knows; it is the tenant, too.
func newNamespace(t *testing.T, labels ...string) string {
	t.Helper()
	namespace := objects.Namespace(labels...)
	testkit.Must(t, api.Create(t.Context(), namespace))
	return namespace.Name
}

// create makes the object and hears no warning.
func create(t *testing.T, object client.Object) {
	t.Helper()
	testkit.Must(t, api.Create(t.Context(), object))
	warned.take()
	t.Cleanup(func() { _ = api.Delete(context.Background(), object) })
}

// update changes the object as it is now, whatever else changes it meanwhile.
func update[T client.Object](t *testing.T, object T, change func(T)) error {
	t.Helper()
	var err error
	for range 100 {
		testkit.Must(t, api.Get(t.Context(), client.ObjectKeyFromObject(object), object))
		warned.take()
		before := object.DeepCopyObject().(T)
		change(object)
		err = api.Patch(t.Context(), object, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
		if !apierrors.IsConflict(err) {
			break
		}
	}
	return err
}

// object is an object of any kind that has conditions.
type object interface {
	client.Object
	conditions.Object
}

// awaitAccepted waits until the condition Accepted is what is wanted, "Status Reason".
func awaitAccepted(t *testing.T, o object, want string) {
	t.Helper()
	testkit.EventuallySucceeds(t, o.GetNamespace()+"/"+o.GetName()+" Accepted "+want, func() error {
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		accepted := meta.FindStatusCondition(o.GetProgrammedStatus().Conditions, v1alpha1.ConditionAccepted)
		if accepted == nil || accepted.ObservedGeneration != o.GetGeneration() {
			return errors.New("no condition of this generation")
		}
		if got := fmt.Sprint(accepted.Status, " ", accepted.Reason); got != want {
			return errors.New(got)
		}
		return nil
	})
}

// awaitSeen waits until the webhooks know the object, which they read from a cache.
func awaitSeen(t *testing.T, budget *v1alpha1.TenantBudget) {
	t.Helper()
	awaitAccepted(t, budget, "True Accepted")
}
