package store

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/retry"
)

const (
	// tellBackWithin is how long Redis is tried for telling others that its data has gone back,
	// and tellBackEvery the longest pause between two attempts.
	tellBackWithin, tellBackEvery = time.Minute, 250 * time.Millisecond
)

// errGoneBack means that the data of Redis has gone back.
var errGoneBack = errors.New("the data of Redis has gone back")

// seenTenant names the counters of a tenant.
type seenTenant struct{ root, tenant string }

// seenOf is the highest seq that was heard of the tenant of an admission. If Redis has a lower
// one, its data has gone back, whatever else it says.
func (e *validEpoch) seenOf(r admission.AdmitRequest) *atomic.Int64 {
	key := seenTenant{root: r.Root}
	if len(r.Accounts) > 0 {
		key.tenant = r.Accounts[0].Tenant
	}
	seen, ok := e.seen.Load(key)
	if !ok {
		seen, _ = e.seen.LoadOrStore(key, new(atomic.Int64))
	}
	return seen.(*atomic.Int64)
}

// raise raises a number, unless it is as high.
func raise(number *atomic.Int64, to int64) {
	for {
		was := number.Load()
		if was >= to || number.CompareAndSwap(was, to) {
			return
		}
	}
}

// goneBack suspends the epoch in this process at once, for all tenants. For everybody else it deletes
// the epoch from the shard, so that another epoch begins.
func (e *validEpoch) goneBack(shard uint32) {
	if !e.isBehind.CompareAndSwap(false, true) {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), tellBackWithin)
		defer cancel()
		_ = retry.UntilWithin(ctx, tellBackEvery, func(ctx context.Context) error { // if this fails, others see it by themselves
			return e.client.Del(ctx, limiterv1.ShardEpochKey(shard)).Err()
		}, func(error, time.Duration) {})
	}()
}
