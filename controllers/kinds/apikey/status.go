package apikey

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/announce"
	"github.com/bursar-dev/bursar/controllers/rollout/apply"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
)

// report writes the status, if it differs from what is there, and tells what has
// happened from the one to the other.
func (c *Controller) report(ctx context.Context, s *scope) error {
	before, after := s.key.Status, s.status()
	if equality.Semantic.DeepEqual(before, after) {
		return nil
	}
	if s.unsaid = c.patience.Left(s.key, s.accepted, s.rollout, s.now); s.unsaid > 0 {
		return nil
	}
	happened := announce.Of(before.ProgrammedStatus, after.ProgrammedStatus)
	if err := c.teller.TellNext(ctx, kind, s.key, happened); err != nil {
		return err
	}
	return apply.Status(ctx, c.client, s.key, after)
}

// status is what is to be said of the key, on every path.
func (s *scope) status() v1alpha1.APIKeyStatus {
	ready := conditions.Ready(s.accepted, s.rollout.Programmed(s.accepted))
	if s.expired() {
		ready = conditions.Verdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonExpired,
			Message: "expired at " + s.key.Spec.ExpiresAt.UTC().Format(time.RFC3339)}
	}
	return v1alpha1.APIKeyStatus{
		ProgrammedStatus: s.rollout.Common(s.key, s.now, s.accepted, ready),
	}
}

// expired reports whether the key has stopped working. The enforcers see to that by
// themselves: its document stays.
func (s *scope) expired() bool {
	expiry := s.key.Spec.ExpiresAt
	return expiry != nil && !s.now.Before(expiry.Time)
}

// lookAgain is the pause until there may be something new to say of the key.
func (s *scope) lookAgain() time.Duration {
	pause := s.rollout.LookAgain(s.accepted, s.key, s.unsaid, s.now)
	if expiry := s.key.Spec.ExpiresAt; expiry != nil && !s.expired() {
		pause = min(pause, expiry.Sub(s.now))
	}
	return pause
}
