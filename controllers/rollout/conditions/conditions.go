package conditions

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// Typed is a verdict with the condition it is said in.
type Typed struct {
	Type string
	verdict.Verdict
}

// Build makes conditions of verdicts, in their order. A condition keeps the time
// of its last transition, as found in previous, while its status stays.
func Build(previous []metav1.Condition, generation int64, now time.Time, verdicts ...Typed) []metav1.Condition {
	built := make([]metav1.Condition, 0, len(verdicts))
	for _, v := range verdicts {
		since := metav1.NewTime(now.Truncate(time.Second))
		if before := meta.FindStatusCondition(previous, v.Type); before != nil && before.Status == v.Status {
			since = before.LastTransitionTime
		}
		built = append(built, metav1.Condition{
			Type:               v.Type,
			Status:             v.Status,
			Reason:             v.Reason,
			Message:            clip(v.Message),
			ObservedGeneration: generation,
			LastTransitionTime: since,
		})
	}
	return built
}

// maxMessage is how long the API server lets a condition's message be, in bytes
// even if it were counted in characters.
const maxMessage = 32768

func clip(message string) string { return message[:min(len(message), maxMessage)] }

// IsTrue reports whether the condition is True and speaks of the generation.
func IsTrue(conditions []metav1.Condition, conditionType string, generation int64) bool {
	condition := meta.FindStatusCondition(conditions, conditionType)
	return condition != nil && condition.Status == metav1.ConditionTrue && condition.ObservedGeneration == generation
}

// Undetermined is the verdict where reading what decides the condition has failed. The
// error itself goes to the log: it differs from one try to the next.
func Undetermined(what string) verdict.Verdict {
	return verdict.Unknown(v1alpha1.ReasonInternalError, "failed to determine "+what+": see the log of the manager")
}

func isUndetermined(v verdict.Verdict) bool { return v.Reason == v1alpha1.ReasonInternalError }
