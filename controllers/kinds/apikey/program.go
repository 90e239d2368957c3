package apikey

import (
	"context"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
)

// documentID names the document by the hash of the key, which never changes.
func documentID(key *v1alpha1.APIKey) limiterv1.DocumentID {
	return limiterv1.DocumentID{Kind: limiterv1.CredentialDocument, Name: key.Spec.SHA256}
}

// addFinalizer keeps a key that is about to be programmed from going before that is
// withdrawn.
func (c *Controller) addFinalizer(ctx context.Context, s *scope) error {
	if s.document == nil {
		return nil
	}
	return rollout.AddFinalizer(ctx, c.client, s.Object)
}

// program puts the document, or takes back what must not stay in force.
func (c *Controller) program(ctx context.Context, s *scope) error {
	storeCtx, cancel := context.WithTimeout(ctx, rollout.StoreTimeout)
	defer cancel()
	switch {
	case s.document != nil:
		_, err := c.documents.Put(storeCtx, documentID(s.Object), s.document)
		return err
	case s.forfeited:
		if _, err := c.documents.Withdraw(storeCtx, documentID(s.Object), string(s.Object.UID)); err != nil {
			return err
		}
		return rollout.RemoveFinalizer(ctx, c.client, s.Object)
	}
	return nil
}

// observe reads how far the document has got.
func (c *Controller) observe(ctx context.Context, s *scope) error {
	ctx, cancel := context.WithTimeout(ctx, rollout.StoreTimeout)
	defer cancel()
	observed, err := c.documents.Observe(ctx, documentID(s.Object))
	s.Rollout = conditions.RolloutOf(observed, s.Object)
	return err
}

// finalize withdraws what a key that is going has programmed.
func (c *Controller) finalize(ctx context.Context, key *v1alpha1.APIKey) error {
	if !rollout.HasFinalizer(key) {
		return nil
	}
	storeCtx, cancel := context.WithTimeout(ctx, rollout.StoreTimeout)
	defer cancel()
	if _, err := c.documents.Withdraw(storeCtx, documentID(key), string(key.UID)); err != nil {
		return err
	}
	return rollout.RemoveFinalizer(ctx, c.client, key)
}
