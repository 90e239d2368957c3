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
// when it resumes, after the next leader has looked at the object.
var enqueueUndetermined = handler.Funcs{UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
	if isUndetermined(e.ObjectNew) && !isUndetermined(e.ObjectOld) {
		q.AddAfter(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(e.ObjectNew)}, determinedAgain)
	}
}}

func isUndetermined(object client.Object) bool {
	of, ok := object.(conditions.Object)
	return ok && slices.ContainsFunc(of.GetProgrammedStatus().Conditions, func(c metav1.Condition) bool {
		return c.Reason == v1alpha1.ReasonInternalError
	})
}
