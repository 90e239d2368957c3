package identityprovider

import (
	"context"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
)

func documentID(provider *v1alpha1.IdentityProvider) limiterv1.DocumentID {
	return limiterv1.DocumentID{Kind: limiterv1.IdentityDocument, Name: provider.Name}
}

// programs reports whether the provider is about to program something. It does not before
// the name of the issuer is known.
func (s *scope) programs() bool { return s.document != nil && len(s.document.Issuers) > 0 }

// program puts the document, or withdraws what must not stay in force.
func (c *Controller) program(ctx context.Context, s *scope) error {
	storeCtx, cancel := s.StoreContext(ctx)
	defer cancel()
	switch {
	case s.programs():
		_, err := c.documents.Put(storeCtx, documentID(s.Object), s.document)
		return err
	case s.forfeited:
		_, err := c.documents.Withdraw(storeCtx, documentID(s.Object), string(s.Object.UID))
		s.Withdrawn = err == nil
		return err
	}
	return nil
}

// observe reads how far the document has got.
func (c *Controller) observe(ctx context.Context, s *scope) error {
	_, err := rollout.ObserveDocument(ctx, &s.Scope, c.documents, documentID(s.Object))
	return err
}

// withdraw withdraws what a provider that is being deleted has programmed, and forgets its keys.
func (c *Controller) withdraw(ctx context.Context, provider *v1alpha1.IdentityProvider) (bool, error) {
	c.fetches.forget(provider)
	return c.documents.Withdraw(ctx, documentID(provider), string(provider.UID))
}
