package modelprovider

import (
	"context"
	"encoding/json"
	"slices"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
)

func documentID(provider *v1alpha1.ModelProvider) limiterv1.DocumentID {
	return limiterv1.DocumentID{Kind: limiterv1.ProviderDocument, Name: provider.Name}
}

// programs reports whether the provider is about to program something.
func (s *scope) programs() bool { return s.document != nil }

// program puts the document. If a provider is not accepted, what it programmed before
// stays in force, except what another provider has by now.
func (c *Controller) program(ctx context.Context, s *scope) error {
	storeCtx, cancel := s.StoreContext(ctx)
	defer cancel()
	switch {
	case s.document != nil:
		_, err := c.documents.Put(storeCtx, documentID(s.Object), s.document)
		return err
	case s.lost.Any():
		left, err := c.giveUp(storeCtx, s)
		s.Withdrawn = err == nil && !left
		return err
	}
	return nil
}

// giveUp removes from the document in force what another provider has by now, and reports
// whether any models are left.
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

// observe reads how far the document has got, and what the enforcers have seen of the provider.
func (c *Controller) observe(ctx context.Context, s *scope) error {
	ctx, cancel := s.StoreContext(ctx)
	defer cancel()
	observed, err := c.documents.Observe(ctx, documentID(s.Object))
	s.Rollout = conditions.RolloutOf(observed, s.Object)
	for _, session := range observed.Sessions {
		s.reports = append(s.reports, session.Providers[s.Object.Name])
	}
	return err
}

// withdraw withdraws what a provider that is being deleted has programmed.
func (c *Controller) withdraw(ctx context.Context, provider *v1alpha1.ModelProvider) (bool, error) {
	return c.documents.Withdraw(ctx, documentID(provider), string(provider.UID))
}
