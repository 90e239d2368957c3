package replay

import (
	"container/heap"
	"time"
)

// Lag is how long after a call's end in the ledger its cost is certainly counted: the
// ledger has the end of the answer, and the limiter counts the cost moments later.
const Lag = time.Second

// hold is a call that is open, or whose end may not be counted yet.
type hold struct {
	call     PastCall
	ends     time.Time
	settled  bool
	counters []*counter
	inFlight []*bucket
	// tokens are the buckets that its end may give tokens back to.
	tokens []*bucket
	// taken is what the call takes from buckets.
	taken []taking
}

type taking struct {
	bucket *bucket
	points int64
}

// end takes the next step of a hold's end: it is settled, then its cost is counted, and
// then what it did not use is certainly given back. more is whether there is another step.
func (h *hold) end() (more bool) {
	if h.settled {
		for _, c := range h.counters {
			c.post(h.call.Bound, h.call.Cost)
		}
		for _, b := range h.tokens {
			b.unended--
		}
		return false
	}
	for _, c := range h.counters {
		c.settle(h.call.Bound, h.call.Cost, h.ends)
	}
	for _, b := range h.inFlight {
		b.debt = max(0, b.debt-1)
	}
	h.settled, h.ends = true, h.ends.Add(Lag)
	return len(h.counters)+len(h.tokens) > 0
}

// holds are the holds by when they end.
type holds []*hold

func (h holds) Len() int           { return len(h) }
func (h holds) Less(i, j int) bool { return h[i].ends.Before(h[j].ends) }
func (h holds) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push and Pop are heap's.
func (h *holds) Push(x any) { *h = append(*h, x.(*hold)) }
func (h *holds) Pop() any {
	last := len(*h) - 1
	popped := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return popped
}

// endUntil takes the steps that are due until then.
func (h *holds) endUntil(now time.Time) {
	for len(*h) > 0 && !(*h)[0].ends.After(now) {
		if (*h)[0].end() {
			heap.Fix(h, 0)
		} else {
			heap.Pop(h)
		}
	}
}
