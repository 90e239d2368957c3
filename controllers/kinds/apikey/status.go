package apikey

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// Statuses are the status that the key has, and the one that it should have now.
func (s *scope) Statuses() (before, after v1alpha1.APIKeyStatus) { return s.Object.Status, s.status() }

func (s *scope) status() v1alpha1.APIKeyStatus {
	programmed := s.Rollout.Programmed(s.Accepted)
	ready, expired := conditions.Ready(s.Accepted, programmed), s.isOver()
	if ready.Holds() && expired.Holds() {
		// It is enforced as written: calls with the key are refused, as expiresAt says.
		ready = verdict.True(v1alpha1.ReasonExpired, expired.Message)
	}
	return v1alpha1.APIKeyStatus{
		ProgrammedStatus: s.Rollout.Common(s.Object, s.Now, s.Accepted, programmed, ready, s.WarningCondition(),
			conditions.Typed{Type: v1alpha1.ConditionExpired, Verdict: expired}),
		LastUsedTime: s.lastUsed(),
		Keys:         s.keys(),
	}
}

// keys are the keys that may be programmed, including those that the APIKey does not have any
// more, until they are withdrawn.
func (s *scope) keys() (all []v1alpha1.KeyStatus) {
	if !s.programs() && len(s.Object.Status.Keys) == 0 {
		return nil // it has programmed nothing
	}
	for _, hash := range append(s.Object.Hashes(), s.left...) {
		all = append(all, v1alpha1.KeyStatus{SHA256: hash, LastUsedTime: s.used[hash]})
	}
	return all
}

// lastUsed is when any of the keys was last used, including those that the APIKey had before.
func (s *scope) lastUsed() *metav1.Time {
	last := s.Object.Status.LastUsedTime
	for _, used := range s.used {
		if used != nil && (last == nil || last.Before(used)) {
			last = used
		}
	}
	return last
}

// isOver is the verdict on whether the key's time is over.
func (s *scope) isOver() verdict.Verdict {
	expiry := s.Object.Spec.ExpiresAt
	switch {
	case expiry == nil:
		return verdict.False(v1alpha1.ReasonRunning, "the key does not expire: spec.expiresAt is not set")
	case s.expired():
		return verdict.True(v1alpha1.ReasonExpired, "the key expired at "+expiry.UTC().Format(time.RFC3339)+
			": calls with it are refused; make a new key, or delete this APIKey")
	}
	return verdict.False(v1alpha1.ReasonRunning, "the key expires at "+expiry.UTC().Format(time.RFC3339))
}

// expired reports whether the key has stopped working. The enforcers see to that by
// themselves: its document stays.
func (s *scope) expired() bool {
	expiry := s.Object.Spec.ExpiresAt
	return expiry != nil && !s.Now.Before(expiry.Time)
}

// RequeueAfter is the pause until the status of the key may change by itself.
func (s *scope) RequeueAfter() time.Duration {
	pause := s.Scope.RequeueAfter()
	if expiry := s.Object.Spec.ExpiresAt; expiry != nil && !s.expired() {
		pause = min(pause, expiry.Sub(s.Now))
	}
	return pause
}
