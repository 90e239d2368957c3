package admission

import (
	"context"
	"errors"
)

// AdmitBounded admits a call while the Store does not answer, if the share of calls
// like it has room for it. Its ID must be one that the Store was never asked about.
func (a *Admitter) AdmitBounded(tenant *Tenant, call Request) (*Hold, bool) {
	if !tenant.hasShares() || tenant.forcedOpen != "" {
		return nil, false
	}
	defer a.open.admitting()()
	root := tenant.doc.Root()
	now := a.Now(root)
	shared := sharing(call)
	accounts := tenant.accounts(&shared, now)
	from := a.shares.use(shareKey(root, accounts), call.Bound, tenant, *a.store.Load(), now)
	if from == nil {
		return nil, false
	}
	hold := &Hold{
		store: from.hold.store, tokens: call.Tokens, admittedAt: from.hold.admittedAt, shares: a.shares, from: from,
		request: AdmitRequest{
			Root: from.hold.request.Root, CallID: call.ID, Bound: call.Bound,
			Record: call.recordIn(from.hold.request.Accounts), Accounts: from.hold.request.Accounts,
		},
	}
	a.open.add(hold)
	return hold, true
}

// take makes a call that was admitted from a share known to the Store, if the Store still
// knows the share. Otherwise the share was lost with the Store's data, or was charged in full
// by the session that adopted it, and stands for the call until the call has ended.
func (h *Hold) take(ctx context.Context) error {
	if h.from == nil || h.isShareGone {
		return nil
	}
	err := h.store.Take(ctx, TakeRequest{
		Root: h.request.Root, From: h.from.hold.request.CallID, CallID: h.request.CallID,
		Bound: h.request.Bound, Record: h.request.Record, Accounts: h.request.Accounts,
	})
	switch {
	case errors.Is(err, ErrGone), errors.Is(err, ErrFenced):
		h.isShareGone = true
		return nil
	case err != nil:
		return err
	}
	h.leaveShare()
	return nil
}

// leaveShare notes that the share that the call was admitted from, if any, need not stand
// for it any more.
func (h *Hold) leaveShare() {
	if h.from != nil {
		h.shares.taken(h.from)
		h.from = nil
	}
}
