package admission

import (
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/money"
)

// Shares are how many shares there are, and what calls may still take of them.
func (a *Admitter) Shares() (count int, left money.Nanos) {
	a.shares.mu.Lock()
	defer a.shares.mu.Unlock()
	for _, share := range a.shares.all {
		left += share.left
	}
	return len(a.shares.all), left
}

// Unconfirmed is how many holds there are of which the Store has not said yet that they are
// voided: of admissions without an answer, and of shares that were given back without one.
func (a *Admitter) Unconfirmed() int { return a.abandoned.len() }

// tellNothing tells the ledger that a hold has cost nothing, should another have charged
// it in full. Where nobody knows whether the hold was taken, it does so when the other
// must have told the ledger.
func (a *Admitter) tellNothing(h *Hold) {
	entry, ok := h.nothing(a.Now(h.request.Root))
	switch {
	case !ok || a.ledger == nil:
	case entry.AdmittedAt.IsZero():
		time.AfterFunc(abandonedFor, func() { a.ledger.Add(entry) })
	default:
		a.ledger.Add(entry)
	}
}

// Unended are the holds of shares, and of admissions without an answer, that were not
// given back, as the ledger is to have them: without cost. To be asked when no calls are
// made any more.
func (a *Admitter) Unended() (entries []ledgerv1.Entry) {
	add := func(h *Hold) {
		if entry, ok := h.nothing(a.Now(h.request.Root)); ok {
			entries = append(entries, entry)
		}
	}
	a.shares.mu.Lock()
	for _, share := range a.shares.all {
		add(share.hold)
	}
	a.shares.mu.Unlock()
	a.abandoned.mu.Lock()
	defer a.abandoned.mu.Unlock()
	for i := range a.abandoned.calls {
		add(&a.abandoned.calls[i])
	}
	return entries
}
