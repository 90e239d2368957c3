package apikey

import (
	"context"
	"encoding/json"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
)

// documentID names the document by the namespace and the hash of the key, which never
// change.
func documentID(key *v1alpha1.APIKey) limiterv1.DocumentID {
	return limiterv1.DocumentID{Kind: limiterv1.CredentialDocument, Name: limiterv1.CredentialName(key.Namespace, key.Spec.SHA256)}
}

// programs reports whether the key is about to program something.
func (s *scope) programs() bool { return s.document != nil }

// program puts the document, or takes back what must not stay in force.
func (c *Controller) program(ctx context.Context, s *scope) error {
	storeCtx, cancel := s.StoreContext(ctx)
	defer cancel()
	if s.document != nil {
		_, err := c.documents.Put(storeCtx, documentID(s.Object), s.document)
		return err
	}
	forfeited, err := c.forfeited(storeCtx, s)
	switch {
	case err != nil:
		return err
	case forfeited:
		if _, err := c.documents.Withdraw(storeCtx, documentID(s.Object), string(s.Object.UID)); err != nil {
			return err
		}
		return rollout.RemoveFinalizer(ctx, c.client, s.Object)
	}
	return nil
}

// forfeited reports whether what the key programmed before must not stay in force, such as
// because it charges another tenant than the key says by now.
func (c *Controller) forfeited(ctx context.Context, s *scope) (bool, error) {
	if s.forfeited || !rollout.HasFinalizer(s.Object) {
		return s.forfeited, nil
	}
	observed, err := c.documents.Observe(ctx, documentID(s.Object))
	if err != nil || !observed.OwnedBy(string(s.Object.UID)) {
		return false, err
	}
	var inForce limiterv1.Credential
	err = json.Unmarshal(observed.Body, &inForce)
	return err == nil && inForce.Tenant != s.tenant, err
}

// observe reads how far the document has got.
func (c *Controller) observe(ctx context.Context, s *scope) error {
	_, err := rollout.ObserveDocument(ctx, &s.Scope, c.documents, documentID(s.Object))
	return err
}

// withdraw withdraws what a key that is going has programmed.
func (c *Controller) withdraw(ctx context.Context, key *v1alpha1.APIKey) (bool, error) {
	return c.documents.Withdraw(ctx, documentID(key), string(key.UID))
}
