package conditions

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Verdict is what is to be said in one condition.
type Verdict struct {
	Status  metav1.ConditionStatus
	Reason  string
	Message string
}

// Holds reports whether the condition is True.
func (v Verdict) Holds() bool { return v.Status == metav1.ConditionTrue }

// Accepted is the verdict on an object that is valid and wins the names it claims.
func Accepted() Verdict {
	return Verdict{metav1.ConditionTrue, v1alpha1.ReasonAccepted, "valid"}
}

// Rejected is the verdict on an object that is not to have any effect.
func Rejected(reason, message string) Verdict {
	return Verdict{metav1.ConditionFalse, reason, message}
}

// Invalid is the verdict on an object with errors in its spec.
func Invalid(errs field.ErrorList) Verdict {
	return Rejected(v1alpha1.ReasonInvalid, errs.ToAggregate().Error())
}

// Typed is a verdict with the condition it is said in.
type Typed struct {
	Type string
	Verdict
}

// Build makes conditions of verdicts, in their order. A condition keeps the time
// of its last transition, as found in previous, while its status stays.
func Build(previous []metav1.Condition, generation int64, now time.Time, verdicts ...Typed) []metav1.Condition {
	built := make([]metav1.Condition, 0, len(verdicts))
	for _, verdict := range verdicts {
		since := metav1.NewTime(now.Truncate(time.Second))
		if before := meta.FindStatusCondition(previous, verdict.Type); before != nil && before.Status == verdict.Status {
			since = before.LastTransitionTime
		}
		built = append(built, metav1.Condition{
			Type:               verdict.Type,
			Status:             verdict.Status,
			Reason:             verdict.Reason,
			Message:            clip(verdict.Message),
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
