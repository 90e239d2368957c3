package call

import (
	"cmp"
	"sync"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// refusalWords are all that the answer to a call that a limit refused depends on.
type refusalWords struct {
	refusal admission.Refusal
	// advice is what else there is to say, and owners what the budget's owner wants callers to be
	// told; both begin with a blank, or are empty.
	advice, owners string
	// status is that of refusals for money, if the tenant has another than the usual one.
	status int
	// protocol is the one whose shape the refusal has.
	protocol limiterv1.Protocol
}

// build makes the refusal.
func (w refusalWords) build() *Problem {
	why := notAdmitted(&w.refusal, w.advice)
	why.Message += w.owners
	if w.refusal.ByMoney() {
		why.Status = cmp.Or(w.status, why.Status)
	}
	return why
}

// mostRefusals bounds the refusals that are kept. One takes some two kilobytes.
const mostRefusals = 1000

// refusals keeps refusals for money with their bodies: as long as a limit refuses for the same
// reason, its refusals say the same.
type refusals struct {
	mu   sync.RWMutex
	kept map[refusalWords]*Problem
}

// of is the refusal with these words, in the shape of the protocol that they name. It is shared,
// and not to be changed.
func (r *refusals) of(words refusalWords, p protocol.Protocol) *Problem {
	if reason := words.refusal.Reason; reason == ledgerv1.BreakerOpen || reason == ledgerv1.BreakerForced {
		words.refusal.Bound, words.refusal.Tokens = 0, 0 // the refusal does not say what the call wanted
	}
	r.mu.RLock()
	why, ok := r.kept[words]
	r.mu.RUnlock()
	if ok {
		return why
	}
	why = words.build()
	why.encoded = why.line(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept == nil || len(r.kept) >= mostRefusals {
		r.kept = map[refusalWords]*Problem{}
	}
	r.kept[words] = why
	return why
}
