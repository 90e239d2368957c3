package limiterstore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

//go:embed counters.lua
var countersLua string

// readClock answers the limiter's time in a shard.
const readClock = "return (limiter_time(KEYS[1], true))"

var (
	countersScript = redis.NewScript(limiterv1.ClockLua + countersLua)
	clockScript    = redis.NewScript(limiterv1.ClockLua + readClock)
	recountScript  = redis.NewScript(limiterv1.RecountLua)
)

// Counters are what tenants and their users have spent and hold, and the clock that
// their periods turn by.
type Counters struct{ client redis.UniversalClient }

// NewCounters makes Counters.
func NewCounters(client redis.UniversalClient) *Counters { return &Counters{client: client} }

// Reading is money counters of a tenant at one moment.
type Reading struct {
	// Now is that moment, by the clock that periods turn by.
	Now time.Time
	// Money are the counters by their fields (limiterv1.MoneyField); one that never
	// counted is absent.
	Money map[string]limiterv1.MoneyCounter
}

// ErrNotValid means that the counters of a tenant are being set, or wait for that.
var ErrNotValid = errors.New("the counters are not set yet")

// Read reads the counters of a tenant's own money limits, in the budget tree
// with the root. It is ErrNotValid when they are not valid, whatever they say.
func (c *Counters) Read(ctx context.Context, root, tenant string, limits ...limiterv1.MoneyLimit) (Reading, error) {
	fields := []any{limiterv1.EpochField}
	for _, limit := range limits {
		fields = append(fields, limiterv1.MoneyField(limit))
	}
	answer, err := countersScript.Run(ctx, c.client, countersKeys(root, tenant), fields...).Slice()
	if err != nil {
		return Reading{}, fmt.Errorf("read counters of tenant %s: %w", tenant, unanswered(err))
	}
	if epoch, _ := answer[1].(string); !isNumber(epoch) {
		return Reading{}, fmt.Errorf("tenant %s: %w", tenant, ErrNotValid)
	}
	now, _ := answer[0].(int64)
	counters, err := countersOf(tenant, answer[2:], limits)
	if err != nil {
		return Reading{}, err
	}
	return Reading{Now: time.UnixMilli(now).UTC(), Money: counters}, nil
}

// countersOf are the counters of limits, by their fields, from what Redis has of each.
func countersOf(tenant string, values []any, limits []limiterv1.MoneyLimit) (map[string]limiterv1.MoneyCounter, error) {
	counters := map[string]limiterv1.MoneyCounter{}
	for i, limit := range limits {
		raw, _ := values[i].(string)
		if raw == "" {
			continue
		}
		counter, err := limiterv1.DecodeMoneyCounter([]byte(raw))
		if err != nil {
			return nil, fmt.Errorf("counter of tenant %s, limit %s: %w", tenant, limit.Name, err)
		}
		counters[limiterv1.MoneyField(limit)] = counter
	}
	return counters, nil
}

// ReadOwners reads the counters that owners within a tenant have of limits, by owner and
// field, under the epoch that is valid. It is ErrNotValid when none is.
func (c *Counters) ReadOwners(
	ctx context.Context, root, tenant string, owners []limiterv1.Owner, limits ...limiterv1.MoneyLimit,
) (map[limiterv1.Owner]map[string]limiterv1.MoneyCounter, error) {
	epoch, _, err := readEpoch(ctx, c.client)
	if err != nil {
		return nil, err
	}
	if epoch.State != limiterv1.EpochValid {
		return nil, fmt.Errorf("owners in tenant %s: %w", tenant, ErrNotValid)
	}
	var fields []string
	for _, limit := range limits {
		fields = append(fields, limiterv1.MoneyField(limit))
	}
	answers := make([]*redis.SliceCmd, len(owners))
	_, err = c.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, owner := range owners {
			answers[i] = pipe.HMGet(ctx, limiterv1.CountersKey(root, epoch, tenant, owner), fields...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read counters of owners in tenant %s: %w", tenant, unanswered(err))
	}
	counters := map[limiterv1.Owner]map[string]limiterv1.MoneyCounter{}
	for i, owner := range owners {
		if counters[owner], err = countersOf(tenant, answers[i].Val(), limits); err != nil {
			return nil, err
		}
	}
	return counters, nil
}

// Now is the time by the clock that the periods of a budget tree turn by.
func (c *Counters) Now(ctx context.Context, root string) (time.Time, error) {
	return limiterTime(ctx, c.client, limiterv1.Shard(root))
}

// limiterTime is the time by which periods turn in a shard.
func limiterTime(ctx context.Context, client redis.UniversalClient, shard uint32) (time.Time, error) {
	times, err := limiterTimes(ctx, client, []uint32{shard})
	if err != nil {
		return time.Time{}, err
	}
	return times[0], nil
}

// limiterTimes are the times by which periods turn in shards, in their order.
func limiterTimes(ctx context.Context, client redis.UniversalClient, shards []uint32) ([]time.Time, error) {
	runs := make([]scriptRun, len(shards))
	for i, shard := range shards {
		runs[i].keys = []string{limiterv1.ClockKey(shard)}
	}
	times := make([]time.Time, len(shards))
	for i, answer := range runEach(ctx, client, clockScript, runs) {
		now, err := answer.Int64()
		if err != nil {
			return nil, fmt.Errorf("read the time: %w", unanswered(err))
		}
		times[i] = time.UnixMilli(now).UTC()
	}
	return times, nil
}

// countersKeys are the keys of counters.lua.
func countersKeys(root, tenant string) []string {
	return []string{limiterv1.TenantCountersKey(root, tenant), limiterv1.ClockKey(limiterv1.Shard(root))}
}

func isNumber(s string) bool {
	_, err := strconv.ParseInt(s, 10, 64)
	return err == nil
}

// Distrust says that the money counters of a tenant of the budget tree with the root are
// not valid, so that they are counted anew.
func (c *Counters) Distrust(ctx context.Context, root, tenant string) error {
	tenants := []string{tenant}
	err := recountScript.Run(ctx, c.client, limiterv1.RecountKeys(root, tenants), limiterv1.RecountNews(tenants)...).Err()
	if err != nil {
		return fmt.Errorf("have tenant %s recounted: %w", tenant, unanswered(err))
	}
	return nil
}
