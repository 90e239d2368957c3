package rollout

import (
	"context"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
)

// determinedAgain is the pause before an object is reconciled because its status now says that
// something could not be determined. If this manager wrote that, it tries again sooner by itself.
const determinedAgain = time.Second

// enqueueUndetermined enqueues objects whose status has changed to say that something could not be
// determined: a manager that was paused for longer than its Lease lasts can write that when it
// resumes, after the next leader has reconciled the object. It also enqueues objects whose status
// somebody else may have overwritten, so that it is corrected before the next periodic reconcile.
var enqueueUndetermined = handler.Funcs{UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
	if isUndetermined(e.ObjectNew) && !isUndetermined(e.ObjectOld) || isOverwritten(e.ObjectOld, e.ObjectNew) {
		q.AddAfter(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(e.ObjectNew)}, determinedAgain)
	}
}}

// isOverwritten reports whether somebody else may have overwritten an object's status: it has lost conditions,
// or its observedGeneration went back, or is beyond the object's generation. A manager removes a condition only
// together with its subject, such as AlertsFailing with spec.alerts.
func isOverwritten(was, is client.Object) bool {
	before, ok := was.(conditions.Object)
	if !ok {
		return false
	}
	old, status := before.GetProgrammedStatus(), is.(conditions.Object).GetProgrammedStatus()
	return len(status.Conditions) < len(old.Conditions) || status.ObservedGeneration < old.ObservedGeneration || status.ObservedGeneration > is.GetGeneration()
}

func isUndetermined(object client.Object) bool {
	of, ok := object.(conditions.Object)
	return ok && slices.ContainsFunc(of.GetProgrammedStatus().Conditions, func(c metav1.Condition) bool {
		return c.Reason == v1alpha1.ReasonInternalError
	})
}
