package tenantbudget

import (
	"math/bits"
	"time"

	"github.com/bursar-dev/bursar/api/money"
)

// The rate of spend is measured over at most recent, and at most this part of the
// period. Less than shortest is not enough to measure it.
const (
	recent       = 10 * time.Minute
	partOfPeriod = 4
	shortest     = 5 * time.Second
)

// spendings remember, by the limits' names, what was spent of each a little while ago, to
// forecast when it will be exhausted.
type spendings map[string]*spending

// spending is what was spent of a limit at two moments of one period. After a while, the
// older one lies between half and all of the measured time ago.
type spending struct {
	resetsAt     time.Time
	older, newer sample
	// last is what was spent at the last look. If it is less now, the counter was set anew.
	last money.Nanos
}

type sample struct {
	at    time.Time
	spent money.Nanos
}

// take records what is spent of the limits now, and sets their exhaustsAt.
func (s *spendings) take(level *levelUsage) {
	now := spendings{}
	for i := range level.limits {
		limit := &level.limits[i]
		seen := (*s)[limit.Name].next(limit, level.now)
		limit.exhaustsAt = seen.exhaustsAt(limit, level.now)
		now[limit.Name] = seen
	}
	*s = now
}

// next is what to remember after a look at the limit.
func (s *spending) next(limit *limitUsage, now time.Time) *spending {
	this := sample{at: now, spent: limit.spent}
	if s == nil || !s.resetsAt.Equal(limit.resetsAt) || limit.spent < s.last {
		return &spending{resetsAt: limit.resetsAt, older: this, newer: this, last: limit.spent}
	}
	s.last = limit.spent
	window := min(recent, limit.resetsAt.Sub(limit.startedAt)/partOfPeriod)
	if now.Sub(s.newer.at) >= window/2 {
		s.older, s.newer = s.newer, this
	}
	return s
}

// exhaustsAt is when the limit is used up if spending continues at the rate since the
// older moment; zero if that is not before the period turns.
func (s *spending) exhaustsAt(limit *limitUsage, now time.Time) time.Time {
	elapsed, spent, left := now.Sub(s.older.at), limit.spent-s.older.spent, limit.Amount-limit.spent
	if elapsed < shortest || spent <= 0 || left <= 0 {
		return time.Time{}
	}
	// elapsed * left / spent, in whole numbers.
	high, low := bits.Mul64(uint64(elapsed), uint64(left))
	if high >= uint64(spent) {
		return time.Time{}
	}
	pause, _ := bits.Div64(high, low, uint64(spent))
	if pause >= uint64(limit.resetsAt.Sub(now)) {
		return time.Time{}
	}
	return coarse(now, time.Duration(pause), limit.resetsAt)
}

// coarse rounds a forecast, so that it does not change at each look if nothing else has.
func coarse(now time.Time, pause time.Duration, latest time.Time) time.Time {
	step := time.Minute
	switch {
	case pause > 24*time.Hour:
		step = time.Hour
	case pause > time.Hour:
		step = 10 * time.Minute
	}
	at := now.Add(pause).Truncate(step)
	if at.After(latest) || !at.After(now) {
		return now.Add(pause).Truncate(time.Second)
	}
	return at
}
