package replay

import (
	"cmp"
	"math"
	"slices"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
)

// rule is a money limit of a level, with what follows from it.
type rule struct {
	limit limiterv1.MoneyLimit
	zone  *time.Location
	// level is the level that the limit belongs to.
	level limiterv1.Level
	// opening is what had been spent when the replay begins, by owner.
	opening map[limiterv1.Owner]money.Nanos
	// counters are those of the newest period, by owner.
	counters map[limiterv1.Owner]*counter
	// past are earlier periods in which something happened.
	past   []*counter
	result *LimitResult
}

// counter counts the money of one period.
type counter struct {
	rule        *rule
	owner       limiterv1.Owner
	span        period.Span
	spent, held money.Nanos
	// posted is the part of spent that the limiter has certainly counted; unposted is the sum of
	// the bounds of the calls whose cost it may not have counted yet.
	posted, unposted       money.Nanos
	trippedAt, exhaustedAt time.Time
	refused                Tally
}

// at is the counter of an owner in the period of a moment. A new one begins with what was spent
// in that period before the replay.
func (r *rule) at(owner limiterv1.Owner, now, from time.Time) *counter {
	c := r.counters[owner]
	if c != nil && c.span.Contains(now) {
		return c
	}
	if c != nil {
		c.close()
	}
	c = &counter{rule: r, owner: owner, span: period.Containing(r.limit.Period, r.zone, now)}
	if c.span.Contains(from) {
		c.spent = r.opening[owner]
		c.posted = c.spent
		c.note(from)
	}
	r.counters[owner] = c
	return c
}

// close keeps the period, if something happened in it, because open calls may still end in it.
func (c *counter) close() {
	if !c.trippedAt.IsZero() || !c.exhaustedAt.IsZero() || c.refused.Calls > 0 {
		c.rule.past = append(c.rule.past, c)
	}
}

// finish is what the limit would have done.
func (r *rule) finish() LimitResult {
	for _, c := range r.counters {
		c.close()
	}
	slices.SortFunc(r.past, func(a, b *counter) int {
		return cmp.Or(a.span.Start.Compare(b.span.Start), cmp.Compare(a.owner.Name(), b.owner.Name()))
	})
	for _, c := range r.past {
		r.result.Periods = append(r.result.Periods, Period{
			Start: c.span.Start, End: c.span.End, Owner: c.owner, Spent: c.spent,
			TrippedAt: c.trippedAt, ExhaustedAt: c.exhaustedAt, Refused: c.refused,
		})
	}
	return *r.result
}

// refuses says why the limit has no room for a call; refuses is false if it has. It is
// not known exactly when a cost was counted. For a call that was admitted, the moment is
// assumed that lets it through; for a call that was refused, the moment that does not.
func (c *counter) refuses(call PastCall) (reason ledgerv1.Reason, refuses bool) {
	tripping, spent, held := c.posted, c.spent, c.held
	if call.Refused {
		tripping, spent, held = c.spent, c.posted, c.unposted
	}
	limit, _ := c.rule.limit.At(call.AdmittedAt, c.owner)
	trip, trips := c.rule.level.TripAt(limit)
	if call.Fallback {
		trip, trips = c.rule.level.FallbackTripAt(limit, call.Model)
		trips = trips && call.Tenant != c.rule.level.Tenant
	}
	switch {
	case trips && limiterv1.Reached(tripping, trip):
		return ledgerv1.BreakerOpen, true
	case !limit.Fits(spent, held, call.Bound):
		return ledgerv1.BudgetExhausted, true
	}
	return "", false
}

// take takes a hold.
func (c *counter) take(bound money.Nanos) {
	c.held += bound
	c.unposted += bound
}

// settle ends a hold with a cost, as the ledger has it.
func (c *counter) settle(bound, cost money.Nanos, at time.Time) {
	c.held -= bound
	c.spent += cost
	c.note(at)
}

// post counts the cost of a hold that has ended.
func (c *counter) post(bound, cost money.Nanos) {
	c.unposted -= bound
	c.posted += cost
}

// note notes when spent reaches the Trip rung.
func (c *counter) note(at time.Time) {
	limit, _ := c.rule.limit.At(at, c.owner)
	if trip, trips := c.rule.level.TripAt(limit); trips && c.trippedAt.IsZero() && limiterv1.Reached(c.spent, trip) {
		c.trippedAt = at
	}
}

// meter is a rate limit of a level.
type meter struct {
	limit   limiterv1.RateLimit
	buckets map[limiterv1.Owner]*bucket
	result  *LimitResult
}

// bucket is a debt, in points, at a time.
//
// The limiter's debt is greater: open calls hold more tokens there than they will have used, and
// how many is not on record. It is at least this debt plus what they hold too much, and never
// less than zero. So this debt may be below zero by as much as open calls can hold.
type bucket struct {
	rule  limiterv1.Bucket
	debt  int64
	since time.Time
	// unended is the number of calls whose end may give tokens back.
	unended int64
}

// least is the least possible debt: each unended call holds at most the capacity.
func (b *bucket) least() int64 {
	const enough = math.MaxInt64 / 2 // leaves room for a debt beside it
	if capacity := b.rule.Capacity(); capacity > 0 && b.unended > enough/capacity {
		return -enough
	}
	return -b.unended * b.rule.Capacity()
}

// need is how many points a call takes.
func (m *meter) need(call PastCall) int64 {
	if m.limit.Unit == limiterv1.Tokens {
		return m.limit.Bucket().Points(call.Tokens)
	}
	return m.limit.Bucket().Points(1)
}

// at is the bucket of an owner as it is at a moment.
func (m *meter) at(owner limiterv1.Owner, now time.Time) *bucket {
	b := m.buckets[owner]
	if b == nil {
		b = &bucket{rule: m.limit.Bucket(), since: now}
		m.buckets[owner] = b
	}
	least := b.least()
	b.debt, b.since = b.rule.After(b.debt-least, now.Sub(b.since))+least, now
	return b
}

// refuses says why the bucket has too little for a call; refuses is false if it has enough.
func (m *meter) refuses(b *bucket, call PastCall) (reason ledgerv1.Reason, refuses bool) {
	need := m.need(call)
	switch {
	case !b.rule.Fits(0, need):
		return ledgerv1.TooLarge, true
	case !b.rule.Fits(b.debt, need):
		return ledgerv1.RateLimited, true
	}
	return "", false
}
