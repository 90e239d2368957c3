package setup

import (
	"slices"
	"unique"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/controllers/kinds/tenantbudget"
	"github.com/bursar-dev/bursar/controllers/rollout"
)

// slim makes an object small before the cache keeps it: ten thousand budgets are mostly the
// conditions of their statuses, and what kubectl notes for itself, which nothing here reads.
func slim(object any) (any, error) {
	if reconciled, ok := object.(rollout.Object); ok {
		delete(reconciled.GetAnnotations(), corev1.LastAppliedConfigAnnotation)
		status := reconciled.GetProgrammedStatus()
		status.Conditions = sharing(status.Conditions)
	}
	return tenantbudget.KeepSpecManager(object)
}

// sharing are the same conditions without room for more, and with the texts that the
// conditions of other objects have, too.
func sharing(all []metav1.Condition) []metav1.Condition {
	all = slices.Clone(all)
	for i := range all {
		condition := &all[i]
		condition.Type, condition.Reason, condition.Message = shared(condition.Type), shared(condition.Reason), shared(condition.Message)
	}
	return all
}

// shared is one copy of a text for all who have it.
func shared(text string) string { return unique.Make(text).Value() }
