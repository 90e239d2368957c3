package apikey

import (
	"context"
	"encoding/json"
	"slices"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
)

// documentID names the document of one key by its namespace and its hash.
func documentID(key *v1alpha1.APIKey, hash string) limiterv1.DocumentID {
	return limiterv1.DocumentID{Kind: limiterv1.CredentialDocument, Name: limiterv1.CredentialName(key.Namespace, hash)}
}

// programs reports whether the APIKey is about to program something.
func (s *scope) programs() bool { return len(s.documents) > 0 }

// program puts the documents, and withdraws what must not stay in force: keys that the APIKey
// does not have any more, even if it is not accepted, or all of its keys.
func (c *Controller) program(ctx context.Context, s *scope) error {
	storeCtx, cancel := s.StoreContext(ctx)
	defer cancel()
	s.left = leftOf(s.Object)
	if _, err := c.withdrawKeys(storeCtx, s.Object, s.left); err != nil {
		return err
	}
	s.left = nil
	for _, document := range s.documents {
		if _, err := c.documents.Put(storeCtx, documentID(s.Object, document.SHA256), document); err != nil {
			return err
		}
	}
	if s.programs() {
		return nil
	}
	forfeited, err := c.forfeited(storeCtx, s)
	if err != nil || !forfeited {
		return err
	}
	_, err = c.withdraw(storeCtx, s.Object)
	s.Withdrawn = err == nil
	return err
}

// leftOf are the hashes of keys that are in the status of an APIKey, and not in its spec any more.
func leftOf(key *v1alpha1.APIKey) (left []string) {
	hashes := key.Hashes()
	for _, known := range key.Status.Keys {
		if !slices.Contains(hashes, known.SHA256) {
			left = append(left, known.SHA256)
		}
	}
	return left
}

// forfeited reports whether what the APIKey programmed before must be withdrawn, for example
// because it charges another tenant than the APIKey names now. It is also true if nothing of the
// APIKey is in force any more.
func (c *Controller) forfeited(ctx context.Context, s *scope) (bool, error) {
	if s.forfeited || !rollout.HasFinalizer(s.Object) {
		return s.forfeited, nil
	}
	nothing := true
	for _, hash := range s.Object.Hashes() {
		observed, err := c.documents.Observe(ctx, documentID(s.Object, hash))
		if err != nil {
			return false, err
		}
		if !observed.OwnedBy(string(s.Object.UID)) {
			continue
		}
		nothing = false
		var inForce limiterv1.Credential
		if err := json.Unmarshal(observed.Body, &inForce); err != nil || inForce.Tenant != s.tenant {
			return err == nil, err
		}
	}
	return nothing, nil
}

// observe reads how far the documents have got. The one that has got least far counts.
func (c *Controller) observe(ctx context.Context, s *scope) error {
	var least *conditions.Rollout
	for _, hash := range s.Object.Hashes() {
		if _, err := rollout.ObserveDocument(ctx, &s.Scope, c.documents, documentID(s.Object, hash)); err != nil {
			return err
		}
		its := s.Rollout
		if least == nil || least.Revision > 0 && (its.Revision == 0 || its.Revision > least.Revision) {
			least = &its
		}
	}
	s.Rollout = *least
	return nil
}

// withdraw withdraws what an APIKey that is being deleted has programmed.
func (c *Controller) withdraw(ctx context.Context, key *v1alpha1.APIKey) (bool, error) {
	return c.withdrawKeys(ctx, key, slices.Concat(key.Hashes(), leftOf(key)))
}

// withdrawKeys withdraws the documents of some keys, and reports whether there was one.
func (c *Controller) withdrawKeys(ctx context.Context, key *v1alpha1.APIKey, hashes []string) (withdrawn bool, err error) {
	for _, hash := range hashes {
		was, err := c.documents.Withdraw(ctx, documentID(key, hash), string(key.UID))
		if err != nil {
			return withdrawn, err
		}
		withdrawn = withdrawn || was
	}
	return withdrawn, nil
}
