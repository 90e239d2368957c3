package admission

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
)

// Tenant is a tenant's compiled configuration, made ready for admissions.
type Tenant struct {
	name  string
	money []moneyRule
	rates []limiterv1.RateLimit
}

// NewTenant makes a tenant's configuration ready for admissions. It fails when
// the time zone is not known to this machine.
func NewTenant(doc limiterv1.Tenant) (*Tenant, error) {
	zone, err := time.LoadLocation(doc.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("tenant %s: time zone %q: %w", doc.Tenant, doc.TimeZone, err)
	}
	t := &Tenant{
		name:  doc.Tenant,
		rates: tenantFirst(doc.Rates, func(l limiterv1.RateLimit) limiterv1.Scope { return l.Per }),
		money: make([]moneyRule, len(doc.Money)),
	}
	for i, limit := range tenantFirst(doc.Money, func(l limiterv1.MoneyLimit) limiterv1.Scope { return l.Per }) {
		rule := &t.money[i]
		rule.limit, rule.zone, rule.trip = limit, zone, NoTrip
		if trip, ok := doc.TripAt(limit); ok {
			rule.trip = trip
		}
		for _, rung := range doc.Ladder {
			rule.rungs = append(rule.rungs, rung.Reached(limit))
		}
	}
	return t, nil
}

// tenantFirst puts the limits of the tenant before those of each user, and leaves
// their order as it is otherwise.
func tenantFirst[L any](limits []L, scope func(L) limiterv1.Scope) []L {
	sorted := slices.Clone(limits)
	slices.SortStableFunc(sorted, func(a, b L) int {
		return cmp.Compare(scope(a), scope(b)) // "Tenant" < "User"
	})
	return sorted
}

// Name is the tenant's name.
func (t *Tenant) Name() string { return t.name }

// moneyRule is a money limit with what follows from it.
type moneyRule struct {
	limit limiterv1.MoneyLimit
	zone  *time.Location
	trip  money.Nanos
	rungs []money.Nanos
	// span is the period that was asked for last. It is a memory of a pure
	// function, kept because calendars are slow and periods are long.
	span atomic.Pointer[period.Span]
}

func (r *moneyRule) spanAt(now time.Time) period.Span {
	if span := r.span.Load(); span != nil && span.Contains(now) {
		return *span
	}
	span := period.Of(r.limit.Period, r.zone, now)
	r.span.Store(&span)
	return span
}

// moneyChecks are the checks of every money limit, for a call at the given time.
// A call that costs nothing at most is not the business of any: free models keep
// working when the money is gone.
func (t *Tenant) moneyChecks(call Call, now time.Time) []MoneyCheck {
	if call.Bound == 0 {
		return nil
	}
	checks := make([]MoneyCheck, len(t.money))
	for i := range t.money {
		rule := &t.money[i]
		checks[i] = MoneyCheck{Limit: rule.limit, Trip: rule.trip, Rungs: rule.rungs, Span: rule.spanAt(now)}
	}
	return checks
}

// bucketChecks are the checks of the rate limits that apply to the call.
func (t *Tenant) bucketChecks(call Call) []BucketCheck {
	checks := make([]BucketCheck, 0, len(t.rates))
	for _, limit := range t.rates {
		if !limit.AppliesTo(call.Subject.Tier) {
			continue
		}
		need := int64(1)
		if limit.Unit == limiterv1.Tokens {
			need = call.Tokens
		}
		checks = append(checks, BucketCheck{Limit: limit, Need: need})
	}
	return checks
}
