package limiterv1

import (
	"math"
	"time"

	"github.com/bursar-dev/bursar/api/money"
)

// This file states each rule of the limiter once, for everything that decides, explains
// or forecasts in Go. The Lua scripts of the enforcer apply the same rules to the
// counters in Redis; the enforcer's tests check the scripts against a model of these
// rules.

// Fits reports whether the limit has room for a call that costs at most bound, beside
// what is spent and held in the current period:
//
//	spent + held + bound <= amount
//
// All are nano-USD, at least zero, and nothing is rounded. The limit is as it is at
// the moment, with what is granted in its amount; see At.
func (l MoneyLimit) Fits(spent, held, bound money.Nanos) bool {
	return spent+held+bound <= l.Amount
}

// UnknownAmount stands in Redis for an amount that the scripts found broken and could not
// repair. No call fits beside it, until the amount is recounted from the ledger. It is
// also the largest amount that Redis' numbers hold exactly: 2^53.
const UnknownAmount money.Nanos = 1 << 53

// Exhausted reports whether the limit is spent in full: it has no room for any call that
// costs something, even if all that is held were given back.
func (l MoneyLimit) Exhausted(spent money.Nanos) bool { return !l.Fits(spent, 0, smallest) }

// smallest is the lowest cost of a call that is not free.
const smallest money.Nanos = 1

// Reached reports whether a rung is reached: spent is at least the rung's amount. What is
// held does not count, because it may be given back. See Rung.Amount and Level.TripAt.
func Reached(spent, rung money.Nanos) bool { return spent >= rung }

// RefusesFrom is the least spent amount at which a limit of the level refuses every call
// that costs something: the amount of the Trip rung, if it trips, and at most the
// limit's amount.
func (l Level) RefusesFrom(limit MoneyLimit) money.Nanos {
	if trip, trips := l.TripAt(limit); trips {
		return min(trip, limit.Amount)
	}
	return limit.Amount
}

// Bucket is the arithmetic of a rate limit's bucket.
//
// A bucket's state is its debt: what was taken from it and has not flowed in again. A
// bucket without debt is full. Debt is counted in points, of which a unit of the limit
// has as many as the window has milliseconds. So a bucket that gets Count units in each
// window pays back exactly Count points a millisecond, and no fraction is ever lost.
// Calls in flight are a bucket that nothing flows into: its window is zero, and a unit
// is one point.
type Bucket struct{ unit, capacity, refill int64 }

// MaxPoints is the largest capacity of a bucket, in points: numbers in Redis are
// doubles, which are exact up to 2^53.
const MaxPoints = 1 << 53

// Bucket is the arithmetic of the limit's bucket. REQUIRES: Burst times the window in
// milliseconds is at most MaxPoints.
func (l RateLimit) Bucket() Bucket {
	unit := max(1, l.Window.Milliseconds())
	return Bucket{unit: unit, capacity: l.Burst * unit, refill: l.Count}
}

// Points is a number of units in points.
func (b Bucket) Points(units int64) int64 { return units * b.unit }

// Capacity is the largest debt that the bucket may have, in points.
func (b Bucket) Capacity() int64 { return b.capacity }

// Refill is how much debt is paid back, in points per millisecond; zero for calls in
// flight.
func (b Bucket) Refill() int64 { return b.refill }

// Fits reports whether the bucket has room for a need at a debt, both in points:
//
//	debt + need <= capacity
func (b Bucket) Fits(debt, need int64) bool { return debt+need <= b.capacity }

// After is what is left of a debt when time has passed, in points and at least zero:
//
//	max(0, debt - refill * milliseconds)
//
// Fractions of a millisecond do not count. REQUIRES: passed is not negative.
func (b Bucket) After(debt int64, passed time.Duration) int64 {
	milliseconds := passed.Milliseconds()
	if b.refill == 0 || debt <= 0 {
		return max(0, debt)
	}
	if milliseconds > debt/b.refill {
		return 0 // also if the product would overflow
	}
	return debt - milliseconds*b.refill
}

// Remaining is how many whole units are left at a debt in points, rounded down; zero if
// the debt exceeds the capacity, as it may after a limit was lowered.
func (b Bucket) Remaining(debt int64) int64 { return max(0, b.capacity-debt) / b.unit }

// LongestWait is the longest time that FullIn and RetryAfter return: 292 years, the
// longest Duration in whole milliseconds.
const LongestWait = math.MaxInt64 / time.Millisecond * time.Millisecond

// FullIn is how long until a debt in points is paid back, rounded up to the millisecond,
// at most LongestWait; zero if nothing flows in, because then it is unknown.
func (b Bucket) FullIn(debt int64) time.Duration {
	if debt <= 0 || b.refill == 0 {
		return 0
	}
	milliseconds := (debt-1)/b.refill + 1
	return time.Duration(min(milliseconds, LongestWait.Milliseconds())) * time.Millisecond
}

// RetryAfter is how long until a need fits that does not fit at a debt, both in points,
// rounded up to the millisecond. It is zero if that is unknown: nothing flows in, or
// the need exceeds the capacity.
func (b Bucket) RetryAfter(debt, need int64) time.Duration {
	if !b.Fits(0, need) {
		return 0
	}
	return b.FullIn(debt + need - b.capacity)
}

// Retention is how long an owner's counters are kept after the last period that they
// count has ended, so that calls that were admitted in it can still be settled. Hashes
// with only buckets are kept as long: no window is longer, so the buckets are full by
// then.
const Retention = 24 * time.Hour

// ForgetAt is when an owner's counters may be forgotten: Retention after now or, if that
// is later, after until, the end of the last of the owner's current periods. A zero
// until means none.
func ForgetAt(now, until time.Time) time.Time {
	if until.After(now) {
		return until.Add(Retention)
	}
	return now.Add(Retention)
}
