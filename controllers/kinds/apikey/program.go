package apikey

import (
	"context"
	"errors"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rollout/finalizer"
)

// documentID names the document by the hash of the key, which never changes.
func documentID(key *v1alpha1.APIKey) limiterv1.DocumentID {
	return limiterv1.DocumentID{Kind: limiterv1.CredentialDocument, Name: key.Spec.SHA256}
}

// hold keeps a key that is about to be programmed from going before that is
// withdrawn.
func (c *Controller) hold(ctx context.Context, s *scope) error {
	if s.document == nil {
		return nil
	}
	return finalizer.Hold(ctx, c.client, s.key)
}

// program puts the document, or takes back what must not stay in force.
func (c *Controller) program(ctx context.Context, s *scope) error {
	storeCtx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	switch {
	case s.document != nil:
		_, s.rollout.Err = c.limiter.Put(storeCtx, documentID(s.key), s.document)
	case s.forfeited:
		if _, s.rollout.Err = c.limiter.Withdraw(storeCtx, documentID(s.key), string(s.key.UID)); s.rollout.Err == nil {
			return finalizer.Release(ctx, c.client, s.key)
		}
	}
	return nil
}

// observe reads how far the document has got.
func (c *Controller) observe(ctx context.Context, s *scope) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	observed, err := c.limiter.Observe(ctx, documentID(s.key))
	putErr := s.rollout.Err
	s.rollout = conditions.RolloutOf(observed, s.key)
	s.rollout.Err = errors.Join(putErr, err)
	return nil
}

// finalize withdraws what a key that is going has programmed.
func (c *Controller) finalize(ctx context.Context, key *v1alpha1.APIKey) error {
	if !finalizer.Held(key) {
		return nil
	}
	storeCtx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if _, err := c.limiter.Withdraw(storeCtx, documentID(key), string(key.UID)); err != nil {
		return err
	}
	return finalizer.Release(ctx, c.client, key)
}
