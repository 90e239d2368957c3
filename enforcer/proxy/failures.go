package proxy

import (
	"sync"
	"time"

	"github.com/bursar-dev/bursar/enforcer/admission"
)

// How many bytes a caller may have read in vain: failedBurst at once, and failedPerSecond more
// each second. A request counts as its body plus failedRequest.
const (
	failedBurst     = 64 << 20
	failedPerSecond = 4 << 20
	failedRequest   = 1 << 10
)

// failures bounds what it costs to read requests that are refused, which no limit of a
// tenant counts. Calls that are made are not counted here.
type failures struct {
	now func() time.Time

	mu sync.Mutex
	// debts are what the requests of credentials have cost, as of a moment.
	debts map[taker]debt
}

type debt struct {
	bytes float64
	at    time.Time
}

func newFailures() *failures { return &failures{now: time.Now, debts: map[taker]debt{}} }

// forgetAt is how many credentials are remembered before those without debt are forgotten.
const forgetAt = 1000

// note notes that a request with a body of that size was refused.
func (f *failures) note(s admission.Subject, bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if len(f.debts) >= forgetAt {
		f.forget(now)
	}
	who := takerOf(s)
	left := f.debts[who].left(now)
	f.debts[who] = debt{min(left+float64(bytes+failedRequest), 2*failedBurst), now}
}

// wait is how long no more is read from the caller; zero if it is not to wait.
func (f *failures) wait(s admission.Subject) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	over := f.debts[takerOf(s)].left(f.now()) - failedBurst
	if over <= 0 {
		return 0
	}
	return time.Duration(over / failedPerSecond * float64(time.Second))
}

// left is what is left of a debt.
func (d debt) left(now time.Time) float64 {
	return max(0, d.bytes-failedPerSecond*max(0, now.Sub(d.at).Seconds()))
}

func (f *failures) forget(now time.Time) {
	for who, debt := range f.debts {
		if debt.left(now) == 0 {
			delete(f.debts, who)
		}
	}
}
