package modelprovider

import (
	"context"
	"encoding/json"
	"slices"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
)

func documentID(provider *v1alpha1.ModelProvider) limiterv1.DocumentID {
	return limiterv1.DocumentID{Kind: limiterv1.ProviderDocument, Name: provider.Name}
}

// addFinalizer keeps a provider that is about to program something from going before that
// is withdrawn.
func (c *Controller) addFinalizer(ctx context.Context, s *scope) error {
	if s.document == nil {
		return nil
	}
	return rollout.AddFinalizer(ctx, c.client, s.Object)
}

// program puts the document. A provider that is not accepted leaves in force what
// it programmed before, without what is another's now.
func (c *Controller) program(ctx context.Context, s *scope) error {
	storeCtx, cancel := context.WithTimeout(ctx, rollout.StoreTimeout)
	defer cancel()
	switch {
	case s.document != nil:
		_, err := c.documents.Put(storeCtx, documentID(s.Object), s.document)
		return err
	case s.lost.Any():
		if left, err := c.giveUp(storeCtx, s); left || err != nil {
			return err
		}
		return rollout.RemoveFinalizer(ctx, c.client, s.Object)
	}
	return nil
}

// giveUp takes what is another's out of the document in force, and reports whether any
// models are left.
func (c *Controller) giveUp(ctx context.Context, s *scope) (left bool, err error) {
	id, uid := documentID(s.Object), string(s.Object.UID)
	observed, err := c.documents.Observe(ctx, id)
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
		_, err = c.documents.Withdraw(ctx, id, uid)
		return false, err
	}
	_, err = c.documents.Put(ctx, id, inForce)
	return true, err
}

// observe reads how far the document has got.
func (c *Controller) observe(ctx context.Context, s *scope) error {
	ctx, cancel := context.WithTimeout(ctx, rollout.StoreTimeout)
	defer cancel()
	observed, err := c.documents.Observe(ctx, documentID(s.Object))
	s.Rollout = conditions.RolloutOf(observed, s.Object)
	return err
}

// finalize withdraws what a provider that is going has programmed.
func (c *Controller) finalize(ctx context.Context, provider *v1alpha1.ModelProvider) error {
	if !rollout.HasFinalizer(provider) {
		return nil
	}
	storeCtx, cancel := context.WithTimeout(ctx, rollout.StoreTimeout)
	defer cancel()
	if _, err := c.documents.Withdraw(storeCtx, documentID(provider), string(provider.UID)); err != nil {
		return err
	}
	return rollout.RemoveFinalizer(ctx, c.client, provider)
}
