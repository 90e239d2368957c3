package recovery

import (
	"context"
	"fmt"
	"slices"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// recount counts anew what a tenant and the owners in it have spent and hold.
type recount struct {
	ledger budgetstore.LedgerSnapshot
	level  levelCounters
	// former is the root of the tree from which the tenant has come; empty if from none.
	former string
	zone   *time.Location
	now    time.Time
	// calls are those that count here and that the ledger does not have, and those that it
	// has and that still hold something.
	calls []call
	// unknown are owners whose counters are to be set even if nothing is on record of them,
	// by what is wanted; see wantedOf.
	unknown map[string][]limiterv1.Owner

	// counters are those of the tenant and of owners, as they are to stand in Redis:
	// field -> value.
	counters map[limiterv1.Owner]map[string][]byte
	// forget is when the owners' counters may be forgotten.
	forget time.Time
}

// call is a call that is open or settled in Redis.
type call struct {
	limiterv1.OpenCall
	limiterv1.CallRecord
	// isRecorded is whether the ledger has it: its enforcer told the ledger alone how it ended,
	// as Redis was out of reach. What it holds is held until another has ended it there.
	isRecorded bool
}

// Expected are the counters of a tenant, and of owners in it, as they are to be by the
// ledger and calls that may not be in it: field -> counter.
type Expected map[limiterv1.Owner]map[string]limiterv1.MoneyCounter

// Expect counts what a tenant and its owners have spent and hold, at a time.
func Expect(
	ctx context.Context, ledger budgetstore.LedgerSnapshot, document limiterv1.Tenant, calls []limiterstore.StoredCall, now time.Time,
) (Expected, error) {
	all := levels(document, limiterv1.Epoch{})
	own := all[len(all)-1]
	r, err := newRecount(ctx, ledger, own, "", calls, now)
	if err != nil {
		return nil, err
	}
	if err := r.count(ctx, own.wanted()); err != nil {
		return nil, err
	}
	expected := Expected{}
	for owner, counters := range r.counters {
		expected[owner] = moneyOf(counters)
	}
	return expected, nil
}

// moneyOf are the counters of money among counters.
func moneyOf(counters map[string][]byte) map[string]limiterv1.MoneyCounter {
	money := map[string]limiterv1.MoneyCounter{}
	for field, raw := range counters {
		if counter, err := limiterv1.DecodeMoneyCounter(raw); err == nil {
			money[field] = counter
		}
	}
	return money
}

func newRecount(
	ctx context.Context, ledger budgetstore.LedgerSnapshot, level levelCounters, former string, calls []limiterstore.StoredCall, now time.Time,
) (*recount, error) {
	zone, err := time.LoadLocation(level.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("time zone %q: %w", level.TimeZone, err)
	}
	known, err := ledger.Knows(ctx, idsOf(calls))
	if err != nil {
		return nil, err
	}
	r := &recount{
		ledger: ledger, level: level, former: former, zone: zone, now: now,
		counters: map[limiterv1.Owner]map[string][]byte{}, forget: limiterv1.ForgetAt(now, time.Time{}),
	}
	for _, found := range calls {
		if !known[found.ID] || !found.Settled {
			r.addCall(found.CallRecord, known[found.ID])
		}
	}
	return r, nil
}

// addCall adds a call if it counts against limits of the tenant. What cannot be
// read as one was never made: the entry of a call that was voided is empty.
func (r *recount) addCall(record limiterv1.CallRecord, isRecorded bool) {
	open, err := record.OpenCall()
	if err != nil || open.Root != r.level.Root && (r.former == "" || open.Root != r.former) {
		return
	}
	if open.Tenant == r.level.Level.Tenant || slices.Contains(open.Ancestors, r.level.Level.Tenant) {
		r.calls = append(r.calls, call{open, record, isRecorded})
	}
}

// count counts what is missing.
func (r *recount) count(ctx context.Context, missing []string) error {
	for _, limit := range r.level.Money {
		if !slices.Contains(missing, wantedOf(limit)) {
			continue
		}
		if err := r.countLimit(ctx, limit); err != nil {
			return fmt.Errorf("limit %s: %w", limit.Name, err)
		}
	}
	if slices.Contains(missing, inFlight) {
		r.countInFlight()
	}
	return nil
}

func (r *recount) countLimit(ctx context.Context, limit limiterv1.MoneyLimit) error {
	now := period.Containing(limit.Period, r.zone, r.now)
	earlier := period.Containing(limit.Period, r.zone, now.Start.Add(-time.Millisecond))
	field := limiterv1.MoneyField(limit)
	spent, err := r.ledger.SpentByOwner(ctx, r.level.Level.Tenant, limit, earlier, now)
	if err != nil {
		return err
	}
	counters := map[limiterv1.Owner]*limiterv1.MoneyCounter{}
	counterOf := func(owner limiterv1.Owner) *limiterv1.MoneyCounter {
		if counters[owner] == nil {
			counter := newCounter(spent[owner], earlier, now)
			counters[owner] = &counter
		}
		return counters[owner]
	}
	for owner := range spent {
		counterOf(owner)
	}
	for _, owner := range r.unknown[wantedOf(limit)] {
		counterOf(owner)
	}
	for _, call := range r.calls {
		if limit.Per != limiterv1.PerTenant && call.Tenant != r.level.Level.Tenant {
			continue // an owner is the tenant's own
		}
		for _, owner := range limit.Owners(limit.Per, call.Caller()) {
			r.addTo(counterOf(owner), call, limit, owner)
		}
	}
	for owner, counter := range counters {
		r.set(owner, field, counter.Encode())
	}
	if forget := limiterv1.ForgetAt(r.now, now.End); limit.Per != limiterv1.PerTenant && forget.After(r.forget) {
		r.forget = forget
	}
	return nil
}

func newCounter(spent budgetstore.Spent, earlier, now period.Span) limiterv1.MoneyCounter {
	return limiterv1.MoneyCounter{
		Start: now.Start, End: now.End, Spent: spent.Now,
		EarlierStart: earlier.Start, EarlierSpent: spent.Earlier,
	}
}

// addTo adds a call to the counter of a limit. A call that is open and does not
// hold its bound there, because it was admitted before the limit was there, is
// counted as if it had cost its bound: its end will not be told to the counter.
func (r *recount) addTo(counter *limiterv1.MoneyCounter, call call, limit limiterv1.MoneyLimit, owner limiterv1.Owner) {
	if !limit.Selects(call.Caller(), call.Model) || !call.AdmittedAt.Before(counter.End) {
		return
	}
	spent, held := &counter.Spent, &counter.Held
	if call.AdmittedAt.Before(counter.Start) {
		spent, held = &counter.EarlierSpent, &counter.EarlierHeld
		if call.AdmittedAt.Before(counter.EarlierStart) {
			return
		}
	}
	holds := call.Root == r.level.Root && slices.ContainsFunc(call.Counters, func(c limiterv1.CallCounters) bool {
		return c.Tenant == r.level.Level.Tenant && c.Owner == owner && slices.Contains(c.Money, limiterv1.MoneyField(limit))
	})
	switch {
	case !call.Settled && holds:
		*held += call.Amount
	case call.isRecorded:
		// The ledger has its cost.
	case !call.Settled && (call.Share || call.Probe):
		// It is given back; a share is taken anew with the limit.
	default:
		*spent += call.Amount
	}
}

func (r *recount) set(owner limiterv1.Owner, field string, value []byte) {
	if r.counters[owner] == nil {
		r.counters[owner] = map[string][]byte{}
	}
	r.counters[owner][field] = value
}

// countInFlight counts the calls in flight. Other buckets begin full: how fast
// calls came is on record nowhere.
func (r *recount) countInFlight() {
	all := map[limiterv1.Owner]map[string]int64{{}: {}}
	for _, limit := range r.level.Rates {
		if limit.Unit == limiterv1.InFlight && limit.Per == limiterv1.PerTenant {
			all[limiterv1.Owner{}][limiterv1.RateField(limit)] = 0
		}
	}
	for _, call := range r.calls {
		for _, counters := range call.Counters {
			if call.Settled || call.Root != r.level.Root || counters.Tenant != r.level.Level.Tenant {
				continue
			}
			if all[counters.Owner] == nil {
				all[counters.Owner] = map[string]int64{}
			}
			for _, field := range counters.InFlight {
				all[counters.Owner][field]++
			}
		}
	}
	for owner, count := range all {
		for field, n := range count {
			r.set(owner, field, limiterv1.EncodeBucket(n, r.now))
		}
	}
}
