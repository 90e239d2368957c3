package modelprovider

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rollout/finalizer"
)

func documentID(provider *v1alpha1.ModelProvider) limiterv1.DocumentID {
	return limiterv1.DocumentID{Kind: limiterv1.ProviderDocument, Name: provider.Name}
}

// hold keeps a provider that is about to program something from going before that
// is withdrawn.
func (c *Controller) hold(ctx context.Context, s *scope) error {
	if s.document == nil {
		return nil
	}
	return finalizer.Hold(ctx, c.client, s.provider)
}

// program puts the document. A provider that is not accepted leaves in force what
// it programmed before, without what is another's now.
func (c *Controller) program(ctx context.Context, s *scope) error {
	storeCtx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	switch {
	case s.document != nil:
		_, s.rollout.Err = c.limiter.Put(storeCtx, documentID(s.provider), s.document)
	case s.lost.Any():
		left := false
		if left, s.rollout.Err = c.giveUp(storeCtx, s); !left && s.rollout.Err == nil {
			return finalizer.Release(ctx, c.client, s.provider)
		}
	}
	return nil
}

// giveUp takes what is another's out of the document in force, and reports whether any
// models are left.
func (c *Controller) giveUp(ctx context.Context, s *scope) (left bool, err error) {
	id, uid := documentID(s.provider), string(s.provider.UID)
	observed, err := c.limiter.Observe(ctx, id)
	if err != nil || !observed.OwnedBy(uid) {
		return false, err
	}
	var inForce limiterv1.Provider
	if err := json.Unmarshal(observed.Body, &inForce); err != nil {
		return false, err
	}
	inForce.Models = slices.DeleteFunc(inForce.Models, func(m limiterv1.Model) bool { return s.lost.Models.Has(m.Name) })
	if s.lost.Unlisted {
		inForce.UnlistedModels = nil
	}
	if len(inForce.Models) == 0 {
		_, err = c.limiter.Withdraw(ctx, id, uid)
		return false, err
	}
	_, err = c.limiter.Put(ctx, id, inForce)
	return true, err
}

// observe reads how far the document has got.
func (c *Controller) observe(ctx context.Context, s *scope) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	observed, err := c.limiter.Observe(ctx, documentID(s.provider))
	putErr := s.rollout.Err
	s.rollout = conditions.RolloutOf(observed, s.provider)
	s.rollout.Err = errors.Join(putErr, err)
	return nil
}

// finalize withdraws what a provider that is going has programmed.
func (c *Controller) finalize(ctx context.Context, provider *v1alpha1.ModelProvider) error {
	if !finalizer.Held(provider) {
		return nil
	}
	storeCtx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if _, err := c.limiter.Withdraw(storeCtx, documentID(provider), string(provider.UID)); err != nil {
		return err
	}
	return finalizer.Release(ctx, c.client, provider)
}
