package e2e

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
)

// history is what has failed so far, if docs/guarantees.md promises less because of it.
type history struct {
	begun time.Time
	mu    sync.Mutex
	// losses are when Redis lost data, and outages when somebody could not write the ledger.
	losses  []time.Time
	outages []span
	killed  map[*life]time.Time
	unseen  []unseen
}

type span struct{ from, to time.Time }

// unseen are calls of each tenant that were open, and not seen by its counters for a time:
// their enforcer slept, or could reach neither store, and Redis lost its data, or the tenant
// moved to another parent.
type unseen struct {
	span
	open  map[string]int
	moved bool
}

func (h *history) lose() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.losses = append(h.losses, time.Now())
}

// outage notes one that ends now.
func (h *history) outage(from time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.outages = append(h.outages, span{from, time.Now()})
}

func (h *history) kill(l *life) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.killed == nil {
		h.killed = map[*life]time.Time{}
	}
	h.killed[l] = time.Now()
}

// waitedFor is how long a rebuild waits at least for an enforcer that cannot be heard: until it
// was silent for the life of a session. Its last heartbeat may have been some time before it was
// cut off.
const waitedFor = limiterv1.SessionLife - limiterv1.Heartbeat - time.Second

// alone notes that an enforcer slept, or could reach neither store, until now, and which calls it had
// open. If that was short, a rebuild waits for it, and nothing less is promised.
func (h *history) alone(from time.Time, open map[string]int) {
	if time.Since(from) < waitedFor {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unseen = append(h.unseen, unseen{span{from, time.Now()}, open, false})
}

// move notes that a tenant moved while so many calls of it were open, which end within ten
// seconds, and are counted soon after.
func (h *history) move(from time.Time, tenant string, open int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unseen = append(h.unseen, unseen{span{from, time.Now().Add(30 * time.Second)}, map[string]int{tenant: open}, true})
}

// lostIn is whether Redis lost data in a time.
func (h *history) lostIn(from, to time.Time) bool {
	return slices.ContainsFunc(h.losses, func(at time.Time) bool { return at.After(from) && at.Before(to) })
}

// adopted is how long after the death of an enforcer Redis may still be all that knows its calls.
const adopted = 30 * time.Second

// How long after its end a call is in the ledger if nothing fails: writtenWithin or, on a busy
// machine, at most writtenAtLast.
const writtenWithin, writtenAtLast = 2 * time.Second, 5 * time.Second

// toldAgainWithin is how long after Redis has lost its data a call that has ended meanwhile may be
// known only to its enforcer, which tells Redis again, after a pause, when the limiter is rebuilt.
const toldAgainWithin = 15 * time.Second

// mayBeLost is whether a call was known only to an enforcer and a Redis that were both lost:
// it was open when the enforcer was killed, or had ended less than within before, so that it
// may not have been in the ledger yet.
func (h *history) mayBeLost(call *soakCall, within time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	killed, was := h.killed[call.life]
	if !was || !h.lostIn(killed.Add(-within), killed.Add(adopted)) {
		return false
	}
	written := killed.Add(-within)
	for _, outage := range h.outages {
		if outage.from.Before(killed) && outage.to.After(written) {
			written = outage.from.Add(-within)
		}
	}
	// If Redis did not hear of the end, it is told again, some seconds later at most.
	for _, loss := range h.losses {
		if loss.Before(killed) && loss.Add(toldAgainWithin).After(killed) && loss.Add(-within).Before(written) {
			written = loss.Add(-within)
		}
	}
	return call.ended.After(written)
}

// wasKilled is whether the enforcer of a call was killed.
func (h *history) wasKilled(call *soakCall) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, was := h.killed[call.life]
	return was
}

// beyond is the most that may be spent beyond a limit of a tenant in a time, because
// enforcers slept, or could reach neither store, while Redis lost its data: a cent for each
// call that was open and, for the tenant that has shares, what is left of them. With own, it
// also has the calls that the tenant's own limits do not see while it moves to another parent.
func (h *history) beyond(tenant string, own bool, from, to time.Time) (most money.Nanos) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, calls := range h.unseen {
		lost := h.lostIn(calls.from.Add(-3*time.Second), calls.to.Add(3*time.Second))
		if calls.to.Before(from) || calls.from.After(to) || calls.moved && !own || !calls.moved && !lost {
			continue
		}
		most += money.Nanos(calls.open[tenant]) * money.Cent
		if tenant == soakBounded && !calls.moved {
			most += minuteCents / 10 * money.Cent
		}
	}
	return most
}

// faultTable is how long it took until calls were admitted after each fault.
type faultTable struct{ first, last map[string][]time.Duration }

func newFaultTable() *faultTable {
	return &faultTable{map[string][]time.Duration{}, map[string][]time.Duration{}}
}

// add adds a fault, one of two at a time to the row of all such.
func (f *faultTable) add(name string, first, last time.Duration) {
	if strings.Contains(name, " + ") {
		name = "two of these at once"
	}
	f.first[name], f.last[name] = append(f.first[name], first), append(f.last[name], last)
}

// String is a table of the kinds of fault, how often each was, and the median and the
// maximum of the time from its end until a call was admitted, and by every enforcer.
func (f *faultTable) String() string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 1, ' ', 0)
	_, _ = fmt.Fprintln(w, "| fault\t| times\t| first call, median\t| maximum\t| by every enforcer, median\t| maximum\t|")
	names := make([]string, 0, len(f.first))
	for name := range f.first {
		names = append(names, name)
	}
	slices.SortFunc(names, cmp.Compare[string])
	for _, name := range names {
		first, last := slices.Sorted(slices.Values(f.first[name])), slices.Sorted(slices.Values(f.last[name]))
		n := len(first)
		_, _ = fmt.Fprintf(w, "| %s\t| %d\t| %.2f s\t| %.2f s\t| %.2f s\t| %.2f s\t|\n", name, n,
			first[n/2].Seconds(), first[n-1].Seconds(), last[n/2].Seconds(), last[n-1].Seconds())
	}
	_ = w.Flush()
	return out.String()
}
