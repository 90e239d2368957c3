package rollout

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// AddFinalizerPhase is the phase that keeps objects which are about to program something
// from going before that is withdrawn. Most have the finalizer by then: the webhook adds it
// as they are created. The others are those of which it was not asked, or whose finalizer
// somebody has removed.
func AddFinalizerPhase[O Object, S interface{ common() *Scope[O] }](c client.Client, programs func(S) bool, needs ...string) Phase[S] {
	return Phase[S]{Name: "add finalizer", Needs: needs, Run: func(ctx context.Context, scope S) error {
		if !programs(scope) {
			return nil
		}
		return AddFinalizer(ctx, c, scope.common().Object)
	}}
}

// release is the phase, after all others, that lets an object go at once of which nothing is
// in force any more. One whose status waits, because what it names may come in a moment, keeps
// the finalizer for then.
func release[S interface{ common() *Scope[O] }, O Object](c client.Client) Phase[S] {
	return Phase[S]{Name: "release", Run: func(ctx context.Context, scope S) error {
		if common := scope.common(); common.Withdrawn && common.StatusDelay == 0 {
			return RemoveFinalizer(ctx, c, common.Object)
		}
		return nil
	}}
}

// AddFinalizer makes sure that the object stays until RemoveFinalizer.
func AddFinalizer(ctx context.Context, c client.Client, object client.Object) error {
	return goneIsConflict(object, patchFinalizers(ctx, c, object, controllerutil.AddFinalizer))
}

// RemoveFinalizer lets the object go.
func RemoveFinalizer(ctx context.Context, c client.Client, object client.Object) error {
	return client.IgnoreNotFound(patchFinalizers(ctx, c, object, controllerutil.RemoveFinalizer))
}

// HasFinalizer reports whether the object stays until RemoveFinalizer.
func HasFinalizer(object client.Object) bool {
	return controllerutil.ContainsFinalizer(object, v1alpha1.Finalizer)
}

// patchFinalizers fails with a conflict when the object has changed meanwhile: a list is
// replaced as a whole, and another's finalizer must not be lost.
func patchFinalizers(ctx context.Context, c client.Client, object client.Object, change func(client.Object, string) bool) error {
	before := object.DeepCopyObject().(client.Object)
	if !change(object, v1alpha1.Finalizer) {
		return nil
	}
	return c.Patch(ctx, object, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}),
		FieldOwner)
}
