package finalizer

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/apply"
)

// Hold makes sure that the object stays until Release.
func Hold(ctx context.Context, c client.Client, object client.Object) error {
	return patch(ctx, c, object, controllerutil.AddFinalizer)
}

// Release lets the object go.
func Release(ctx context.Context, c client.Client, object client.Object) error {
	return client.IgnoreNotFound(patch(ctx, c, object, controllerutil.RemoveFinalizer))
}

// Held reports whether the object is held.
func Held(object client.Object) bool {
	return controllerutil.ContainsFinalizer(object, v1alpha1.Finalizer)
}

// patch fails with a conflict when the object has changed meanwhile: a list is
// replaced as a whole, and another's finalizer must not be lost.
func patch(ctx context.Context, c client.Client, object client.Object, change func(client.Object, string) bool) error {
	before := object.DeepCopyObject().(client.Object)
	if !change(object, v1alpha1.Finalizer) {
		return nil
	}
	return c.Patch(ctx, object, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}),
		apply.FieldOwner)
}
