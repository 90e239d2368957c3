package tenantbudget

import (
	"fmt"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/controllers/limiterstore"
)

// usage is the state of a tenant's money at one moment.
type usage struct {
	// now is that moment by the clock that periods turn by.
	now time.Time
	// ladder are the rungs, lowest first.
	ladder []limiterv1.Rung
	// limits are those that count the whole tenant, in the order of the budget.
	limits []limitUsage
}

// limitUsage is how far a limit is used in the period that usage.now lies in.
type limitUsage struct {
	limiterv1.MoneyLimit
	spent, held money.Nanos
	resetsAt    time.Time
	// rung is the action of the highest rung reached; empty below the first.
	rung limiterv1.Action
	// tripped is set when the limit holds the breaker open.
	tripped bool
}

func (l limitUsage) percent() int64 { return l.spent.Percent(l.Amount) }

// measure finds out how far the limits are used.
func measure(tenant limiterv1.Tenant, counters limiterstore.Counters) (*usage, error) {
	zone, err := time.LoadLocation(tenant.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("time zone %q: %w", tenant.TimeZone, err)
	}
	u := &usage{now: counters.Now, ladder: tenant.Ladder}
	for _, limit := range tenant.Money {
		if limit.Per != limiterv1.PerTenant {
			continue
		}
		span := period.Of(limit.Period, zone, counters.Now)
		l := limitUsage{MoneyLimit: limit, resetsAt: span.End}
		l.spent, l.held = counters.Money[limiterv1.MoneyField(limit)].In(span)
		for _, rung := range tenant.Ladder {
			if l.spent >= rung.Reached(limit) {
				l.rung = rung.Action
			}
		}
		trip, trips := tenant.TripAt(limit)
		l.tripped = trips && l.spent >= trip
		u.limits = append(u.limits, l)
	}
	return u, nil
}

// nearest is the limit that is used most, the first of those that are used
// equally; nil when there are none.
func (u *usage) nearest() *limitUsage {
	var nearest *limitUsage
	for i := range u.limits {
		if nearest == nil || u.limits[i].percent() > nearest.percent() {
			nearest = &u.limits[i]
		}
	}
	return nearest
}

// tripped is the limit that holds the breaker open for longest; nil when it is
// closed.
func (u *usage) tripped() *limitUsage {
	var last *limitUsage
	for i := range u.limits {
		limit := &u.limits[i]
		if limit.tripped && (last == nil || limit.resetsAt.After(last.resetsAt)) {
			last = limit
		}
	}
	return last
}

// nextReset is when the first of the periods turns; false when there are none.
func (u *usage) nextReset() (time.Time, bool) {
	var next time.Time
	for _, limit := range u.limits {
		if next.IsZero() || limit.resetsAt.Before(next) {
			next = limit.resetsAt
		}
	}
	return next, !next.IsZero()
}
