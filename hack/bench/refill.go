package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// refill has Redis lose all that it has, and sees how soon calls are answered again, and how
// soon those of all tenants would be.
func (b *bench) refill(ctx context.Context) error {
	epochs := limiterstore.NewEpochs(b.redis)
	lost, err := epochs.Current(ctx)
	if err != nil {
		return err
	}
	if err := b.mark(ctx); err != nil {
		return err
	}
	begin := time.Now()
	if err := b.redis.FlushAll(ctx).Err(); err != nil {
		return err
	}
	var epoch limiterv1.Epoch
	err = until(ctx, "a new epoch is valid", func() (bool, error) {
		epoch, err = epochs.Current(ctx)
		return epoch.Number > lost.Number && epoch.State == limiterv1.EpochValid, err
	})
	if err != nil {
		return err
	}
	fmt.Printf("a new epoch is valid after      %.2f s\n", time.Since(begin).Seconds())
	if err := b.callersAnswered(ctx); err != nil {
		return err
	}
	fmt.Printf("%d tenants have called after    %.2f s\n", callers, time.Since(begin).Seconds())
	if err := b.refilled(ctx, epoch); err != nil {
		return err
	}
	took := time.Since(begin)
	fmt.Printf("all %d tenants may call after %.2f s\n", b.budgets, took.Seconds())
	return b.wrote(ctx, took)
}

// refilled waits until the counters of all tenants are valid under an epoch.
func (b *bench) refilled(ctx context.Context, epoch limiterv1.Epoch) error {
	const atOnce = 1000
	next := 0 // before it, all are valid
	return until(ctx, "the counters of all tenants are valid", func() (bool, error) {
		// Redis is to be busy with the refill: while one is not valid, no others are asked for.
		for some := 1; next < b.budgets; some = min(2*some, atOnce) {
			end := min(next+some, b.budgets)
			valid, err := b.firstValid(ctx, epoch, next, end)
			next += valid
			if err != nil || next < end {
				return false, err
			}
		}
		return true, nil
	})
}

// firstValid is how many of some tenants, from the first on, have valid counters.
func (b *bench) firstValid(ctx context.Context, epoch limiterv1.Epoch, from, to int) (valid int, err error) {
	pipe := b.redis.Pipeline()
	tokens := make([]*redis.StringCmd, to-from)
	for i := range tokens {
		tokens[i] = pipe.HGet(ctx, limiterv1.TenantCountersKey(name(from+i), name(from+i)), limiterv1.EpochField)
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return 0, err
	}
	for valid < len(tokens) && tokens[valid].Val() == epoch.Token() {
		valid++
	}
	return valid, nil
}
