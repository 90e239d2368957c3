package identityprovider

import (
	"fmt"
	"time"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// Statuses are the status that the provider has, and the one that it should have now.
func (s *scope) Statuses() (before, after v1alpha1.IdentityProviderStatus) {
	return s.Object.Status, s.status()
}

func (s *scope) status() v1alpha1.IdentityProviderStatus {
	programmed := s.Rollout.Programmed(s.Accepted)
	if s.lacksKeys() && s.Rollout.Err == nil {
		programmed = verdict.False(v1alpha1.ReasonKeysNotFetched, "the keys of the issuer are not known yet: see the condition KeysFetched")
	}
	ready := conditions.Ready(s.Accepted, programmed)
	return v1alpha1.IdentityProviderStatus{
		ProgrammedStatus: s.Rollout.Common(s.Object, s.Now, s.Accepted, programmed, ready, s.WarningCondition(),
			conditions.Typed{Type: v1alpha1.ConditionKeysFetched, Verdict: s.keysFetched()}),
		Issuer: s.issuer,
		Keys:   s.keys,
	}
}

// lacksKeys reports whether the provider is accepted, but no key is known.
func (s *scope) lacksKeys() bool { return s.document != nil && len(s.document.Keys) == 0 }

// keysFetched is the verdict on whether the keys were fetched.
func (s *scope) keysFetched() verdict.Verdict {
	source := sourceOf(s.Object.Spec.Issuer)
	switch {
	case s.document == nil && s.Accepted.Reason == v1alpha1.ReasonInternalError:
		return conditions.Undetermined("whether the object is valid")
	case s.document == nil:
		return verdict.False(v1alpha1.ReasonNotAccepted, "not accepted: see the condition Accepted")
	case source == "":
		return verdict.True(v1alpha1.ReasonKeysInline, "the keys are in spec.issuer.jwks")
	case s.fetch.err != nil && s.keys == nil:
		return verdict.False(v1alpha1.ReasonKeysFetchFailed, s.fetch.err.Error()+"; until the keys are fetched, every token of the issuer is refused")
	case s.fetch.err != nil:
		return verdict.False(v1alpha1.ReasonKeysFetchFailed, s.fetch.err.Error()+"; the keys that were fetched last stay in force")
	case s.keys == nil:
		return conditions.Undetermined("whether the keys were fetched")
	}
	return verdict.True(v1alpha1.ReasonKeysFetched, fmt.Sprintf("number of keys: %d; source: %s", len(s.keys.IDs), source))
}

// RequeueAfter is the pause until the status of the provider may change by itself, or its keys
// have to be fetched.
func (s *scope) RequeueAfter() time.Duration {
	pause := s.Scope.RequeueAfter()
	if !s.fetch.pauseUntil.IsZero() {
		pause = min(pause, max(s.fetch.pauseUntil.Sub(s.Now), time.Millisecond))
	}
	return pause
}
