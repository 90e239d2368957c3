package conditions

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// Typed is a verdict, and the type of the condition that states it.
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
		before := ptr.Deref(meta.FindStatusCondition(previous, v.Type), metav1.Condition{})
		if before.Status == v.Status {
			since = before.LastTransitionTime
		}
		built = append(built, metav1.Condition{
			Type:               v.Type,
			Status:             v.Status,
			Reason:             v.Reason,
			Message:            clip(carried(v.Verdict, before)),
			ObservedGeneration: generation,
			LastTransitionTime: since,
		})
	}
	return built
}

// maxMessage is the API server's limit for a condition's message. The API server counts
// characters; clip counts bytes, which are never fewer.
const maxMessage = 32768

// lastKnown precedes, in the message of a condition that cannot be determined, the condition as
// it was last known: "<generation>): <status> <reason>: <message>".
const lastKnown = "; last known (generation "

// carried is the message of a verdict that takes the place of a condition. If the verdict is
// undetermined, the message ends with the condition as it was last known: the next verdict is
// news only if it differs from that.
func carried(v verdict.Verdict, before metav1.Condition) string {
	if v.Status != metav1.ConditionUnknown || !isUndetermined(v) {
		return v.Message
	}
	if last := LastKnown(before); last.Status == metav1.ConditionTrue || last.Status == metav1.ConditionFalse {
		return fmt.Sprintf("%s%s%d): %s %s: %s", v.Message, lastKnown, last.ObservedGeneration, last.Status, last.Reason, last.Message)
	}
	return v.Message
}

// LastKnown is a condition as it was when it could last be determined: unchanged, unless it is
// undetermined now.
func LastKnown(condition metav1.Condition) metav1.Condition {
	_, last, found := strings.Cut(condition.Message, lastKnown)
	if condition.Status != metav1.ConditionUnknown || condition.Reason != v1alpha1.ReasonInternalError || !found {
		return condition
	}
	generation, last, _ := strings.Cut(last, "): ")
	status, last, _ := strings.Cut(last, " ")
	reason, message, _ := strings.Cut(last, ": ")
	condition.ObservedGeneration, _ = strconv.ParseInt(generation, 10, 64) // as carried wrote it
	condition.Status, condition.Reason, condition.Message = metav1.ConditionStatus(status), reason, message
	return condition
}

func clip(message string) string { return message[:min(len(message), maxMessage)] }

// IsTrue reports whether the condition is True and speaks of the generation.
func IsTrue(conditions []metav1.Condition, conditionType string, generation int64) bool {
	condition := meta.FindStatusCondition(conditions, conditionType)
	return condition != nil && condition.Status == metav1.ConditionTrue && condition.ObservedGeneration == generation
}

// Undetermined is the verdict if what decides the condition could not be read. The error itself
// goes only to the log: it may differ at each attempt, and the status must not.
func Undetermined(what string) verdict.Verdict {
	return verdict.Unknown(v1alpha1.ReasonInternalError, "failed to determine "+what+": see the log of the manager")
}

func isUndetermined(v verdict.Verdict) bool { return v.Reason == v1alpha1.ReasonInternalError }
