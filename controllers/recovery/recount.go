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
	level levelCounters
	// missing is what is to be counted; see wantedOf.
	missing []string
	// formers are the roots of the trees from which the tenant has come.
	formers []string
	zone    *time.Location
	now     time.Time
	// calls are those of Redis that count here.
	calls []call
	// unknown are owners whose counters are to be set even if nothing is on record of them,
	// by what is wanted; see wantedOf.
	unknown map[string][]limiterv1.Owner

	// counters are those of the tenant and of owners, as they are to stand in Redis:
	// field -> value.
	counters map[limiterv1.Owner]map[string][]byte
	// tallies are the money counters among them, as they were counted: field -> tally.
	tallies map[limiterv1.Owner]map[string]*tally
	// estimated is whether a counter includes the bound of an open call whose end will not be posted
	// to it.
	estimated bool
	// forget is when the owners' counters may be forgotten.
	forget time.Time
}

// call is a call that is open or settled in Redis.
type call struct {
	limiterv1.OpenCall
	limiterv1.CallRecord
	// recorded is the call as the ledger has it; nil if it does not.
	recorded *budgetstore.RecordedCall
}

// Expected are the counters of a tenant and of its owners as they should be, by the ledger and by
// calls that may not be in it yet: field -> counter.
type Expected map[limiterv1.Owner]map[string]limiterv1.MoneyCounter

// Expect counts what a tenant and its owners have spent and hold at now. formers are the roots
// of the trees from which the tenant has come, whose calls count too. The counters may say any
// amount from least to most: these differ by calls that a counter may have at another cost
// than the ledger has, until Redis forgets the calls.
func Expect(
	ctx context.Context, ledger budgetstore.LedgerSnapshot, document limiterv1.Tenant, formers []string, calls []limiterstore.StoredCall, now time.Time,
) (least, most Expected, err error) {
	all := levels(document, limiterv1.Epoch{})
	own := all[len(all)-1]
	recorded, err := ledger.Recorded(ctx, idsOf(calls))
	if err != nil {
		return nil, nil, err
	}
	r, err := newRecount(own, own.wanted(), formers, callsByTenant(calls, recorded), now)
	if err != nil {
		return nil, nil, err
	}
	if err := countAll(ctx, ledger, r); err != nil {
		return nil, nil, err
	}
	least, most = Expected{}, Expected{}
	for owner, tallies := range r.tallies {
		least[owner], most[owner] = map[string]limiterv1.MoneyCounter{}, map[string]limiterv1.MoneyCounter{}
		for field, counted := range tallies {
			least[owner][field], most[owner][field] = counted.least(), counted.most()
		}
	}
	return least, most, nil
}

// newRecount makes a recount of what is missing of a level. calls are grouped by the tenants whose
// limits they count against. Of those, it takes the calls that were admitted in the level's tree or in
// one of the trees with the roots formers.
func newRecount(level levelCounters, missing, formers []string, calls map[string][]call, now time.Time) (*recount, error) {
	zone, err := period.Zone(level.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("time zone %q: %w", level.TimeZone, err)
	}
	r := &recount{
		level: level, missing: missing, formers: formers, zone: zone, now: now,
		counters: map[limiterv1.Owner]map[string][]byte{}, tallies: map[limiterv1.Owner]map[string]*tally{}, forget: limiterv1.ForgetAt(now, time.Time{}),
	}
	for _, call := range calls[level.Level.Tenant] {
		if call.Root == level.Root || slices.Contains(formers, call.Root) {
			r.calls = append(r.calls, call)
		}
	}
	return r, nil
}

// callsByTenant groups calls by the tenants whose limits they count against, and adds what the
// ledger has of each. It leaves out records that are no call, such as the empty one of a voided
// call.
func callsByTenant(stored []limiterstore.StoredCall, recorded map[string]budgetstore.RecordedCall) map[string][]call {
	calls := map[string][]call{}
	for _, found := range stored {
		open, err := found.OpenCall()
		if err != nil {
			continue
		}
		of := call{OpenCall: open, CallRecord: found.CallRecord}
		if is, ok := recorded[found.ID]; ok {
			of.recorded = &is
		}
		tenants := append([]string{open.Tenant}, open.Ancestors...)
		slices.Sort(tenants)
		for _, tenant := range slices.Compact(tenants) {
			calls[tenant] = append(calls[tenant], of)
		}
	}
	return calls
}

// countAll counts what is missing in all recounts, as the ledger is at one moment.
func countAll(ctx context.Context, ledger budgetstore.LedgerSnapshot, recounts ...*recount) error {
	var sums []budgetstore.Sum
	for _, r := range recounts {
		for _, limit := range r.limits() {
			sums = append(sums, r.sum(limit))
		}
	}
	spent, err := ledger.SpentByOwner(ctx, sums...)
	if err != nil {
		return err
	}
	for _, r := range recounts {
		for _, limit := range r.limits() {
			r.countLimit(limit, sums[0], spent[0])
			sums, spent = sums[1:], spent[1:]
		}
		if slices.Contains(r.missing, inFlight) {
			r.countInFlight()
		}
	}
	return nil
}

// limits are the level's money limits whose counters are missing.
func (r *recount) limits() (missing []limiterv1.MoneyLimit) {
	for _, limit := range r.level.Money {
		if slices.Contains(r.missing, wantedOf(limit)) {
			missing = append(missing, limit)
		}
	}
	return missing
}

// sum is what the ledger has to add up for a limit.
func (r *recount) sum(limit limiterv1.MoneyLimit) budgetstore.Sum {
	now := period.Containing(limit.Period, r.zone, r.now)
	earlier := period.Containing(limit.Period, r.zone, now.Start.Add(-time.Millisecond))
	return budgetstore.Sum{Tenant: r.level.Level.Tenant, Limit: limit, Earlier: earlier, Now: now}
}

// countLimit counts a limit, from what the ledger has added up and from the calls of Redis.
func (r *recount) countLimit(limit limiterv1.MoneyLimit, sum budgetstore.Sum, spent map[limiterv1.Owner]budgetstore.Spent) {
	earlier, now, field := sum.Earlier, sum.Now, limiterv1.MoneyField(limit)
	counters := map[limiterv1.Owner]*tally{}
	counterOf := func(owner limiterv1.Owner) *tally {
		if counters[owner] == nil {
			counters[owner] = newTally(spent[owner], earlier, now)
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
			if limit.Selects(call.Caller(), call.Model) {
				holds := r.holds(call, limit, owner)
				counterOf(owner).add(call, holds)
				r.estimated = r.estimated || !holds && !call.Settled
			}
		}
	}
	for owner, counter := range counters {
		r.setTally(owner, field, counter)
	}
	if forget := limiterv1.ForgetAt(r.now, now.End); limit.Per != limiterv1.PerTenant && forget.After(r.forget) {
		r.forget = forget
	}
}

// holds reports whether a call, while it is open, holds its bound in the counter of a limit. It
// does not if it was admitted before the limit was there, or in another tree.
func (r *recount) holds(call call, limit limiterv1.MoneyLimit, owner limiterv1.Owner) bool {
	return call.Root == r.level.Root && slices.ContainsFunc(call.Counters, func(c limiterv1.CallCounters) bool {
		return c.Tenant == r.level.Level.Tenant && c.Owner == owner && slices.Contains(c.Money, limiterv1.MoneyField(limit))
	})
}

func (r *recount) setTally(owner limiterv1.Owner, field string, counted *tally) {
	if r.tallies[owner] == nil {
		r.tallies[owner] = map[string]*tally{}
	}
	r.tallies[owner][field] = counted
	r.set(owner, field, counted.Encode())
}

func (r *recount) set(owner limiterv1.Owner, field string, value []byte) {
	if r.counters[owner] == nil {
		r.counters[owner] = map[string][]byte{}
	}
	r.counters[owner][field] = value
}

// countInFlight counts the calls in flight. Other buckets begin full, because how fast calls came is
// recorded nowhere.
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
