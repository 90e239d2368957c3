package tenantbudget

import (
	"math/bits"
	"time"

	"github.com/bursar-dev/bursar/api/money"
)

// How far back the rate of spend is taken from: at most recent, and at most this
// part of the period; and what is seen of less than shortest is no rate yet.
const (
	recent       = 10 * time.Minute
	partOfPeriod = 4
	shortest     = 5 * time.Second
)

// spendings remember what the limits of a budget had spent a little while ago, to say
// when they will be exhausted; by the limits' names.
type spendings map[string]*spending

// spending is what a limit had spent at two moments of one period, of which the
// older is between half of the recent past and all of it ago, once it is known.
type spending struct {
	resetsAt     time.Time
	older, newer sample
	// last is what it had spent at the last look: less means that it was set anew.
	last money.Nanos
}

type sample struct {
	at    time.Time
	spent money.Nanos
}

// take takes in what the limits have spent now, and sets their exhaustsAt.
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

// next is what is remembered after a look at the limit.
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

// exhaustsAt is when the limit is used up if spending goes on at the rate since the
// older moment; zero when that is not before the period turns.
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

// coarse is a time that does not change at each look although nothing else did.
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
