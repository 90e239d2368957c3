package conditions

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// DifferInFigures reports whether two statuses differ in nothing but the number of
// enforcers and messages that tell of it: whoever waits for a condition, or follows
// a revision, misses nothing when he sees the one and not the other.
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
