package conditions

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// kstatus are the verdicts by which tools that know nothing of the kind follow an object
// (the kstatus convention): if it is not enforced as written, it is either Reconciling,
// if that will change by itself, or Stalled, if an object has to be changed first.
func kstatus(accepted, programmed, ready verdict.Verdict) (reconciling, stalled verdict.Verdict) {
	const arrived, waits, stuck = "the rollout is complete", "the rollout is in progress", "a change is needed: see the condition Stalled"
	switch {
	case ready.Holds():
		return verdict.False(v1alpha1.ReasonReconciled, arrived), verdict.False(v1alpha1.ReasonReconciled, arrived)
	case isFinal(accepted):
		return verdict.False(v1alpha1.ReasonStalled, stuck), verdict.True(accepted.Reason, accepted.Message)
	case ready.Reason == v1alpha1.ReasonKeyRejected:
		return verdict.False(v1alpha1.ReasonStalled, stuck), verdict.True(ready.Reason, ready.Message)
	case ready.Reason == v1alpha1.ReasonCredentialFileMissing:
		// The Secret may be applied a moment later, and reaches the enforcers some time after.
		return verdict.True(ready.Reason, ready.Message), verdict.False(v1alpha1.ReasonReconciling, waits)
	case !accepted.Holds():
		return verdict.True(accepted.Reason, accepted.Message), verdict.False(v1alpha1.ReasonReconciling, waits)
	}
	return verdict.True(programmed.Reason, programmed.Message), verdict.False(v1alpha1.ReasonReconciling, waits)
}

// isFinal reports whether an object that is not accepted stays so until it, or what it
// conflicts with, is changed. An object that only waits for another, which may be applied a
// moment later, is not final: GitOps tools would give up on it.
func isFinal(accepted verdict.Verdict) bool {
	if accepted.Status != metav1.ConditionFalse {
		return false
	}
	switch accepted.Reason {
	case v1alpha1.ReasonTargetNotFound, v1alpha1.ReasonTargetNotAccepted,
		v1alpha1.ReasonLimitNotFound, v1alpha1.ReasonTooManyGrants,
		v1alpha1.ReasonParentNotFound, v1alpha1.ReasonParentNotAccepted, v1alpha1.ReasonNotAllowedByParent,
		v1alpha1.ReasonIdentityProviderNotFound, v1alpha1.ReasonIdentityProviderNotAccepted:
		return false
	}
	return true
}
