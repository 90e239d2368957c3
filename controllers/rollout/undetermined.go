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

// determinedAgain is the pause before an object is reconciled whose status has come to say
// that something could not be determined: this manager, if it wrote that, tries again sooner.
const determinedAgain = time.Second

// enqueueUndetermined enqueues objects whose status has come to say that something could not
// be determined. A manager that was paused for longer than its Lease lasts can write that
// when it resumes, after the next leader has looked at the object. It also enqueues objects whose status
// somebody else may have written over, so that it is true again before the object's next routine.
var enqueueUndetermined = handler.Funcs{UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
	if isUndetermined(e.ObjectNew) && !isUndetermined(e.ObjectOld) || isOverwritten(e.ObjectOld, e.ObjectNew) {
		q.AddAfter(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(e.ObjectNew)}, determinedAgain)
	}
}}

// isOverwritten is whether somebody else may have written over an object's status: it has lost conditions, or
// its observedGeneration went back, or is beyond the object's. A manager drops a condition only with what it is
// about, such as AlertsFailing with spec.alerts.
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
