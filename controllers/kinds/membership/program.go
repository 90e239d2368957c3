package membership

import (
	"context"
	"encoding/json"
	"slices"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

func documentID(membership *v1alpha1.Membership) limiterv1.DocumentID {
	return limiterv1.DocumentID{Kind: limiterv1.MembersDocument, Name: membership.Namespace + "/" + membership.Name}
}

// programs reports whether the Membership is about to program something.
func (s *scope) programs() bool { return s.decided.Document != nil }

// program puts the document. If a Membership is not accepted, what it programmed before stays
// in force, except members whom it may not name any more.
func (c *Controller) program(ctx context.Context, s *scope) error {
	storeCtx, cancel := s.StoreContext(ctx)
	defer cancel()
	if s.programs() {
		_, err := c.documents.Put(storeCtx, documentID(s.Object), s.decided.Document)
		return err
	}
	if !rollout.HasFinalizer(s.Object) {
		return nil // it has programmed nothing
	}
	left, err := c.giveUp(storeCtx, s)
	s.Withdrawn = err == nil && !left
	return err
}

// giveUp removes from the document in force the members whom the Membership may not name, or all
// members if the document charges another tenant than the Membership names now. It reports whether
// any are left.
func (c *Controller) giveUp(ctx context.Context, s *scope) (left bool, err error) {
	id, uid := documentID(s.Object), string(s.Object.UID)
	observed, err := c.documents.Observe(ctx, id)
	if err != nil || !observed.OwnedBy(uid) {
		return false, err
	}
	inForce, err := membersOf(observed)
	if err != nil {
		return false, err
	}
	forfeited := s.decided.Forfeited || inForce.Tenant != s.decided.Tenant
	allowed := slices.DeleteFunc(slices.Clone(inForce.Members), func(m limiterv1.Member) bool {
		return forfeited || !s.decided.Allowance.Allows(m)
	})
	switch len(allowed) {
	case 0:
		_, err = c.documents.Withdraw(ctx, id, uid)
		return false, err
	case len(inForce.Members):
		return true, nil
	}
	inForce.Members = allowed
	_, err = c.documents.Put(ctx, id, inForce)
	return true, err
}

func membersOf(observed limiterstore.Observation) (members limiterv1.Members, err error) {
	err = json.Unmarshal(observed.Body, &members)
	return members, err
}

// observe reads how far the document has got, and how many members are in it.
func (c *Controller) observe(ctx context.Context, s *scope) error {
	observed, err := rollout.ObserveDocument(ctx, &s.Scope, c.documents, documentID(s.Object))
	if err != nil {
		return err
	}
	s.inForce = 0
	if !observed.OwnedBy(string(s.Object.UID)) {
		return nil
	}
	members, err := membersOf(observed)
	s.inForce = int32(len(members.Members))
	return err
}

// withdraw withdraws what a Membership that is being deleted has programmed.
func (c *Controller) withdraw(ctx context.Context, membership *v1alpha1.Membership) (bool, error) {
	return c.documents.Withdraw(ctx, documentID(membership), string(membership.UID))
}
