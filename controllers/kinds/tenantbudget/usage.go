package tenantbudget

import (
	"fmt"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// usage is the state of the money that a tenant's calls depend on at one moment.
type usage struct {
	// root is the tenant at the top of the budget tree.
	root string
	// levels are the tenant and its ancestors, nearest first. There is at least one.
	levels []levelUsage
}

// levelUsage is the state of the money of one tenant of the budget tree.
type levelUsage struct {
	// tenant is its name.
	tenant string
	// now is the time of the reading, by the clock by which periods turn.
	now time.Time
	// ladder are the rungs, lowest first.
	ladder []limiterv1.Rung
	// limits are those that count the whole tenant, in the order of the budget.
	limits []limitUsage
	// ownerLimits are those that count each user, group or APIKey separately; zone is the
	// time zone of their calendar.
	ownerLimits []limiterv1.MoneyLimit
	zone        *time.Location
	// forced overrides the breaker; empty leaves it to the limits.
	forced limiterv1.BreakerState
	// reason is why it is forced, in the owner's words.
	reason string
	// shadow is set when the level refuses nothing.
	shadow bool
}

// limitUsage is how far a limit is used in the period that its level's now lies in.
type limitUsage struct {
	// MoneyLimit is the limit; its amount includes what is granted now.
	limiterv1.MoneyLimit
	granted money.Nanos
	// changesAt is when a grant starts or expires next.
	changesAt time.Time
	// tenant is the tenant that has the limit.
	tenant      string
	spent, held money.Nanos
	startedAt   time.Time
	resetsAt    time.Time
	// exhaustsAt is when the amount is used up by forecast; zero when it is not
	// before resetsAt.
	exhaustsAt time.Time
	// rung is the action of the highest rung reached; empty below the first.
	rung limiterv1.Action
	// tripped is set when the limit holds the breaker open.
	tripped bool
	// shadow is set when the limit refuses nothing.
	shadow bool
}

// selects reports whether the limit counts some calls of the tenant and not others.
// It blocks only the calls that it counts, and never opens the breaker.
func (l limitUsage) selects() bool { return !l.IsAll() }

// isNothing reports whether the amount of the limit is zero. Such a limit refuses calls in every
// period, and has no Events for its rungs: it was never below them.
func (l limitUsage) isNothing() bool { return l.Amount == 0 }

// until says until when the limit refuses calls, if it does.
func (l limitUsage) until() string {
	if l.isNothing() {
		return "until the limit is raised"
	}
	return fmt.Sprintf("until %s, or until the limit is raised", l.resetsAt.Format(time.RFC3339))
}

// outlasts reports whether the limit refuses calls for longer than another one.
func (l *limitUsage) outlasts(other *limitUsage) bool {
	if l.isNothing() != other.isNothing() {
		return l.isNothing()
	}
	return l.resetsAt.After(other.resetsAt)
}

func (l limitUsage) percent() int64 { return l.spent.Percent(l.Amount) }

// measure finds how far the limits of a level are used.
func measure(level limiterv1.Level, counters limiterstore.Reading) (levelUsage, error) {
	zone, err := period.Zone(level.TimeZone)
	if err != nil {
		return levelUsage{}, fmt.Errorf("time zone %q: %w", level.TimeZone, err)
	}
	u := levelUsage{tenant: level.Tenant, now: counters.Now, ladder: level.Ladder, forced: level.Forced, reason: level.ForcedReason, zone: zone, shadow: level.Waives()}
	for _, limit := range level.Money {
		if limit.Per != limiterv1.PerTenant {
			u.ownerLimits = append(u.ownerLimits, limit)
			continue
		}
		span := period.Containing(limit.Period, zone, counters.Now)
		base := limit.Amount
		limit, stretch := limit.At(counters.Now, limiterv1.Owner{})
		l := limitUsage{
			MoneyLimit: limit, granted: limit.Amount - base, changesAt: stretch.End,
			tenant: level.Tenant, startedAt: span.Start, resetsAt: span.End, shadow: u.shadow,
		}
		l.spent, l.held = counters.Money[limiterv1.MoneyField(limit)].In(span)
		for _, rung := range level.Ladder {
			if limiterv1.Reached(l.spent, rung.Amount(limit)) {
				l.rung = rung.Action
			}
		}
		trip, trips := level.TripAt(limit)
		l.tripped = trips && limiterv1.Reached(l.spent, trip) && !l.selects()
		u.limits = append(u.limits, l)
	}
	return u, nil
}

// own is the tenant's own part.
func (u *usage) own() *levelUsage { return &u.levels[0] }

// all are the limits of all levels.
func (u *usage) all() []*limitUsage {
	var all []*limitUsage
	for _, level := range u.levels {
		for i := range level.limits {
			all = append(all, &level.limits[i])
		}
	}
	return all
}

// nearest is the tenant's own limit with the highest percentage used, the first of several;
// nil if there is none.
func (u *usage) nearest() *limitUsage {
	var nearest *limitUsage
	limits := u.own().limits
	for i := range limits {
		if nearest == nil || limits[i].percent() > nearest.percent() {
			nearest = &limits[i]
		}
	}
	return nearest
}

// last is the limit of the tenant or of an ancestor that refuses calls for the longest
// time, of those for which refuses returns true; nil if there is none. A limit in shadow
// counts only if there is no other, because it refuses nothing.
func (u *usage) last(refuses func(*limitUsage) bool) *limitUsage {
	var last *limitUsage
	for _, limit := range u.all() {
		switch {
		case !refuses(limit), last != nil && limit.shadow && !last.shadow:
		case last == nil, last.shadow && !limit.shadow, limit.outlasts(last):
			last = limit
		}
	}
	return last
}

// tripped is the limit that holds the breaker open; nil when none does.
func (u *usage) tripped() *limitUsage {
	return u.last(func(limit *limitUsage) bool { return limit.tripped })
}

// nextTurn is when the first of the periods turns, or a grant starts or expires; false
// when there are none.
func (u *usage) nextTurn() (time.Time, bool) {
	var next time.Time
	for _, limit := range u.all() {
		for _, turn := range []time.Time{limit.resetsAt, limit.changesAt} {
			if next.IsZero() || turn.Before(next) {
				next = turn
			}
		}
	}
	return next, !next.IsZero()
}

// rungOf is a rung of one limit, and the spent amount at which it is reached.
type rungOf struct {
	budgetstore.Rung
	at money.Nanos
}

// rungsOf are the rungs of a limit that raise alerts, lowest first: those of the ladder and,
// above them, the one at which nothing is left. A Trip rung does not count while the breaker is
// forced closed, and a limit of zero has no rungs.
func (u *levelUsage) rungsOf(limit limiterv1.MoneyLimit) []rungOf {
	var rungs []rungOf
	if limit.Amount == 0 {
		return nil
	}
	add := func(action limiterv1.Action, percent int32, at money.Nanos) {
		rung := budgetstore.Rung{Limit: limit.Name, Amount: limit.Amount, Action: action, AtPercent: percent}
		rungs = append(rungs, rungOf{rung, at})
	}
	full := false
	for _, rung := range u.ladder {
		if rung.Action == limiterv1.Trip && u.forced == limiterv1.BreakerClosed {
			continue
		}
		add(rung.Action, rung.AtPercent, rung.Amount(limit))
		full = full || rung.AtPercent == 100
	}
	if !full {
		add(ledgerv1.Exhaust, 100, limit.Amount)
	}
	return rungs
}
