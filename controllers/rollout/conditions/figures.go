package conditions

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// DifferInFigures reports whether two statuses differ in nothing but the number of
// enforcers and the messages that contain it. A client that waits for a condition or a
// revision misses nothing if it sees only one of them.
func DifferInFigures(before, after v1alpha1.ProgrammedStatus) bool {
	return before.ObservedGeneration == after.ObservedGeneration && before.Revision == after.Revision &&
		slices.EqualFunc(before.Conditions, after.Conditions, sayTheSame)
}

func sayTheSame(a, b metav1.Condition) bool {
	isCount := a.Type == v1alpha1.ConditionReady || a.Type == v1alpha1.ConditionProgrammed ||
		a.Type == v1alpha1.ConditionReconciling
	return a.Type == b.Type && a.Status == b.Status && a.Reason == b.Reason &&
		a.ObservedGeneration == b.ObservedGeneration && (isCount || a.Message == b.Message)
}
