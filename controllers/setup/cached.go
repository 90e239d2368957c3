package setup

import (
	"slices"
	"unique"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/controllers/kinds/tenantbudget"
	"github.com/bursar-dev/bursar/controllers/rollout"
)

// slim makes an object small before the cache keeps it. Ten thousand budgets consist mostly of the
// conditions of their statuses, whose texts are shared, and of what kubectl notes for itself, which
// nothing here reads.
func slim(object any) (any, error) {
	if reconciled, ok := object.(rollout.Object); ok {
		delete(reconciled.GetAnnotations(), corev1.LastAppliedConfigAnnotation)
		status := reconciled.GetProgrammedStatus()
		status.Conditions = sharing(status.Conditions)
	}
	return tenantbudget.KeepSpecManager(object)
}

// sharing returns the same conditions without spare capacity. They share the memory of equal
// texts with the conditions of other objects.
func sharing(all []metav1.Condition) []metav1.Condition {
	all = slices.Clone(all)
	for i := range all {
		condition := &all[i]
		condition.Type, condition.Reason, condition.Message = shared(condition.Type), shared(condition.Reason), shared(condition.Message)
	}
	return all
}

// shared returns the one copy of a text that all its users share.
func shared(text string) string { return unique.Make(text).Value() }
