package admission

import (
	"sync"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// openHolds are the holds of this process. If the Store loses its data, they are all that
// is known of the calls that are under way.
type openHolds struct {
	// admissions and settlements are under way while they are locked for reading.
	admissions, settlements sync.RWMutex

	mu    sync.Mutex
	holds map[*Hold]struct{}
}

func newOpenHolds() *openHolds { return &openHolds{holds: map[*Hold]struct{}{}} }

// admitting begins an admission, until done.
func (o *openHolds) admitting() (done func()) {
	o.admissions.RLock()
	return o.admissions.RUnlock
}

// settling begins a settlement, until done.
func (o *openHolds) settling() (done func()) {
	if o == nil { // of a hold that OpenCalls does not list
		return func() {}
	}
	o.settlements.RLock()
	return o.settlements.RUnlock
}

func (o *openHolds) add(h *Hold) {
	h.open = o
	o.mu.Lock()
	defer o.mu.Unlock()
	o.holds[h] = struct{}{}
}

func (o *openHolds) remove(h *Hold) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.holds, h)
}

// OpenCall is a call that was admitted, and that is neither in the ledger nor on its way
// there.
type OpenCall struct {
	ID string
	// Root is the tenant at the top of the budget tree.
	Root string
	// Record is what the Store is to know of it: that it is open or, where it has ended,
	// what it cost.
	Record limiterv1.CallRecord
}

// OpenCalls waits until all admissions and settlements that are under way are decided, and
// returns the calls of the Store in use that are not done. It forgets the shares: the
// caller asks because the Store has lost its data, and announces only these calls to it.
func (a *Admitter) OpenCalls() []OpenCall {
	a.open.admissions.Lock()
	defer a.open.admissions.Unlock()
	a.open.settlements.Lock()
	defer a.open.settlements.Unlock()
	a.ForgetShares()
	store := *a.store.Load()
	a.open.mu.Lock()
	defer a.open.mu.Unlock()
	var calls []OpenCall
	for hold := range a.open.holds {
		if hold.store != store {
			continue // of a session that was declared dead: another ends them
		}
		calls = append(calls, OpenCall{ID: hold.request.CallID, Root: hold.request.Root, Record: hold.record()})
	}
	return calls
}

// record is what the Store is to know of the call of a hold.
func (h *Hold) record() limiterv1.CallRecord {
	if h.ended != nil {
		return *h.ended
	}
	return limiterv1.CallRecord{Amount: h.request.Bound, AdmittedAt: h.admittedAt, Body: h.request.Record}
}
