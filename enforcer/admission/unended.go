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

// Unconfirmed is how many holds the Store has not yet confirmed as voided: those of admissions
// without an answer, and of shares that were given back without one.
func (a *Admitter) Unconfirmed() int { return a.abandoned.len() }

// tellNothing tells the ledger that a hold has cost nothing, in case another session charged
// it in full. If it is unknown whether the hold was taken, the entry only corrects a charge, so
// it is sent once the other session must have recorded that.
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

// Unended are the entries, without cost, for the holds of shares and of admissions without an
// answer that were not given back. Call it only when no more calls are made.
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
