package modelprovider

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// Statuses are the status that the provider has, and the one that it should have now.
func (s *scope) Statuses() (before, after v1alpha1.ModelProviderStatus) {
	return s.Object.Status, s.status()
}

func (s *scope) status() v1alpha1.ModelProviderStatus {
	programmed := s.Rollout.Programmed(s.Accepted)
	reachable, credentialValid := s.reachable(), s.credentialValid()
	ready := ready(conditions.Ready(s.Accepted, programmed), credentialValid)
	return v1alpha1.ModelProviderStatus{
		ProgrammedStatus: s.Rollout.Common(s.Object, s.Now, s.Accepted, programmed, ready, s.WarningCondition(),
			conditions.Typed{Type: v1alpha1.ConditionReachable, Verdict: reachable},
			conditions.Typed{Type: v1alpha1.ConditionCredentialValid, Verdict: credentialValid}),
	}
}

// ready is whether the provider is enforced as written, and accepts its key. A key that is only
// denied some models does not count, nor does a failing network: those come and go, and the
// object itself needs no change.
func ready(enforced, credentialValid verdict.Verdict) verdict.Verdict {
	if !enforced.Holds() || credentialValid.Status != metav1.ConditionFalse || credentialValid.Reason == v1alpha1.ReasonKeyForbidden {
		return enforced
	}
	return credentialValid
}
