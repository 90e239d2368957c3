package recovery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// counting is a suspended tenant whose counters are being set.
type counting struct {
	levelCounters
	suspended *limiterstore.SuspendedTenant
	limiterstore.Remembered
	counted *recount
	// err is why they cannot be set.
	err error
}

// makeValid makes counters of different tenants valid where they are not. The errors are in the
// order of the levels.
func (o *Recounter) makeValid(ctx context.Context, levels []levelCounters) []error {
	suspensions := make([]limiterstore.Suspension, len(levels))
	for i, l := range levels {
		suspensions[i] = limiterstore.Suspension{TenantCounters: l.TenantCounters, Own: l.own, Wanted: l.wanted()}
	}
	suspended, errs := o.counters.SuspendTenants(ctx, suspensions...)
	var all []*counting
	var of []int
	for i, tenant := range suspended {
		if errs[i] == nil && tenant != nil {
			all, of = append(all, &counting{levelCounters: levels[i], suspended: tenant}), append(of, i)
		}
	}
	o.set(ctx, all)
	var failed []*limiterstore.SuspendedTenant
	for i, c := range all {
		if c.err != nil {
			failed = append(failed, c.suspended)
			errs[of[i]] = fmt.Errorf("set the counters of tenant %s: %w", c.Level.Tenant, c.err)
		}
	}
	// What was valid before still is: calls that need nothing else may go on.
	_ = o.counters.Resume(context.WithoutCancel(ctx), failed...) // after an error, the next attempt resumes them
	return errs
}

// set sets what is missing of all tenants, and resumes them.
func (o *Recounter) set(ctx context.Context, all []*counting) {
	for _, step := range []func(context.Context, []*counting) error{o.remember, o.count, o.setCounted} {
		going := withoutFailed(all)
		if len(going) == 0 {
			return
		}
		if err := step(ctx, going); err != nil {
			for _, c := range going {
				c.err = err
			}
		}
	}
}

func withoutFailed(all []*counting) []*counting {
	return slices.DeleteFunc(slices.Clone(all), func(c *counting) bool { return c.err != nil })
}

// remember reads from the tenants' own counters which trees they come from, and which owners'
// counters are unknown.
func (o *Recounter) remember(ctx context.Context, all []*counting) error {
	tenants := make([]*limiterstore.SuspendedTenant, len(all))
	for i, c := range all {
		tenants[i] = c.suspended
	}
	remembered, errs := o.counters.Remembered(ctx, tenants...)
	for i, c := range all {
		c.Remembered, c.err = remembered[i], errs[i]
	}
	return nil
}

// count counts what is missing: from the calls in the shards of the tenants and of their former
// trees, and from the ledger.
func (o *Recounter) count(ctx context.Context, all []*counting) error {
	shards := map[uint32]bool{}
	for _, c := range all {
		for _, shard := range c.shards() {
			shards[shard] = true
		}
	}
	// Calls are read before the ledger: a call on its way from Redis to the ledger may then be in
	// both, but never in neither.
	in, err := o.calls.InShards(ctx, slices.Sorted(maps.Keys(shards))...)
	if err != nil {
		return err
	}
	return o.ledger.Read(ctx, func(ledger budgetstore.LedgerSnapshot) error { return countIn(ctx, ledger, all, in) })
}

// shards are the shards with calls of the tenant, its own first.
func (c *counting) shards() []uint32 {
	shards := []uint32{limiterv1.Shard(c.Root)}
	for _, former := range c.Formers {
		if shard := limiterv1.Shard(former); !slices.Contains(shards, shard) {
			shards = append(shards, shard)
		}
	}
	return shards
}

// countIn counts what is missing, as the ledger is at one moment, with the calls in shards.
func countIn(ctx context.Context, ledger budgetstore.LedgerSnapshot, all []*counting, in map[uint32]limiterstore.ShardCalls) error {
	moments, err := latest(ctx, ledger, all, in)
	if err != nil {
		return err
	}
	var stored []limiterstore.StoredCall
	for _, shard := range in {
		stored = append(stored, shard.Calls...)
	}
	recorded, err := ledger.Recorded(ctx, idsOf(stored))
	if err != nil {
		return err
	}
	calls := callsByTenant(stored, recorded)
	var recounts []*recount
	for i, c := range all {
		if c.counted, c.err = newRecount(c.levelCounters, c.suspended.Missing, c.Formers, calls, moments[i]); c.err == nil {
			c.counted.unknown = c.Unknown
			recounts = append(recounts, c.counted)
		}
	}
	return countAll(ctx, ledger, recounts...)
}

// latest is, for each tenant, the time at which to count it: now or, if the clock was set back
// since, when the last of its calls on record was admitted. Otherwise, what those calls spent
// would be forgotten when their period begins for the second time. A record that is further ahead
// than limiterv1.MostAhead is not believed.
func latest(ctx context.Context, ledger budgetstore.LedgerSnapshot, all []*counting, in map[uint32]limiterstore.ShardCalls) ([]time.Time, error) {
	spans := make([]budgetstore.TenantSpan, len(all))
	for i, c := range all {
		now := in[limiterv1.Shard(c.Root)].Now
		spans[i] = budgetstore.TenantSpan{Tenant: c.Level.Tenant, Span: period.Span{Start: now, End: now.Add(limiterv1.MostAhead)}}
	}
	moments, err := ledger.LastAdmitted(ctx, spans...)
	if err != nil {
		return nil, err
	}
	for i, c := range all {
		for _, shard := range c.shards() {
			for _, call := range in[shard].Calls {
				if call.AdmittedAt.After(moments[i]) && !call.AdmittedAt.After(spans[i].End) {
					moments[i] = call.AdmittedAt
				}
			}
		}
	}
	return moments, nil
}

// setCounted sets what was counted, and resumes the tenants.
func (o *Recounter) setCounted(ctx context.Context, all []*counting) error {
	counted := make([]limiterstore.Counted, len(all))
	for i, c := range all {
		counted[i] = limiterstore.Counted{
			SuspendedTenant: c.suspended, At: c.counted.now, Counters: c.counted.counters, Forget: c.counted.forget, Estimated: c.counted.estimated,
		}
	}
	for i, err := range o.counters.Set(ctx, counted...) {
		all[i].err = err
	}
	return nil
}
