package limiterstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/redisclient"
)

// ErrBusy means that there is no moment at which everything could be read at once.
var ErrBusy = errors.New("too many changes, or too many calls on their way to the ledger, to read at once")

// mostAtOnce is how many calls are read at once.
const mostAtOnce = 20_000

// Snapshot is the counters of a tenant and of some owners in it, and the calls in the shard
// that are not in the ledger or were not when they settled, all at one moment.
type Snapshot struct {
	// Now is that moment, by the clock that periods turn by.
	Now time.Time
	// Epoch is the token of the epoch under which the counters are valid.
	Epoch string
	// Counters are those of the tenant and of the owners, by their fields; one that never
	// counted is absent.
	Counters map[limiterv1.Owner]map[string]limiterv1.MoneyCounter
	Calls    []StoredCall
	// Formers are the roots of the trees from which the tenant has come, whose calls are among
	// Calls as they were a moment later.
	Formers []string
	// Estimated is whether counters include the bound of a call whose end is not posted to them:
	// once it has ended, they say too much until they are recounted.
	Estimated bool
	// Unreadable is how many records of calls cannot be read.
	Unreadable int
	// Broken counts what scripts found broken in the counters of the tenant and of its
	// users, and mended, by "<kind>:<field>".
	Broken map[string]int64
}

// brokenPrefix begins the fields of a tenant's counters that count what was broken.
const brokenPrefix = "broken:"

// decodeBroken are the counts among the fields of a tenant's counters.
func decodeBroken(fields map[string]string) map[string]int64 {
	broken := map[string]int64{}
	for field, value := range fields {
		if what, is := strings.CutPrefix(field, brokenPrefix); is {
			broken[what], _ = strconv.ParseInt(value, 10, 64) // written by the scripts' HINCRBY; anything else counts as 0
		}
	}
	return broken
}

// Snapshot reads the counters of money limits of a tenant in the budget tree with the root, and of
// owners there. It returns ErrNotValid when some of them are being set, or wait for that. They also
// do if they are of another epoch than the shard's, or if that epoch is not valid in this run of
// Redis: then the data may be older, and lack the ends of calls. It returns ErrBusy when all cannot
// be read at one moment.
func (c *Counters) Snapshot(ctx context.Context, root, tenant string, limits []limiterv1.MoneyLimit, owners []limiterv1.Owner) (Snapshot, error) {
	fields := map[limiterv1.Scope][]string{}
	for _, limit := range limits {
		fields[limit.Per] = append(fields[limit.Per], limiterv1.MoneyField(limit))
	}
	shard := limiterv1.Shard(root)
	token, err := c.client.HGet(ctx, limiterv1.TenantCountersKey(root, tenant), limiterv1.EpochField).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return Snapshot{}, fmt.Errorf("read counters of tenant %s: %w", tenant, unanswered(err))
	}
	sessions, err := c.readable(ctx, shard)
	if err != nil {
		return Snapshot{}, err
	}
	pipe := c.client.TxPipeline()
	asked := append([]any{limiterv1.EpochField}, anys(fields[limiterv1.PerTenant])...)
	ofTenant := pipe.Eval(ctx, limiterv1.ClockLua+countersLua, countersKeys(root, tenant), asked...)
	all := pipe.HGetAll(ctx, limiterv1.TenantCountersKey(root, tenant))
	open := pipe.Get(ctx, limiterv1.ShardEpochKey(shard))
	ofOwners := make([]*redis.SliceCmd, len(owners))
	for i, owner := range owners {
		if of := fields[owner.Scope()]; len(of) > 0 {
			ofOwners[i] = pipe.HMGet(ctx, limiterv1.CountersKey(root, epochOf(token), tenant, owner), of...)
		}
	}
	records := make([]*redis.MapStringStringCmd, len(sessions))
	for i, session := range sessions {
		records[i] = pipe.HGetAll(ctx, limiterv1.CallsKey(shard, session))
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return Snapshot{}, fmt.Errorf("read counters and calls of tenant %s: %w", tenant, unanswered(err))
	}
	after, err := sessionsIn(ctx, c.client)
	if err != nil {
		return Snapshot{}, err
	}
	answer := ofTenant.Val().([]any)
	switch now, _ := answer[1].(string); {
	case now != token || open.Val() != token || !areValid(all.Val(), limits):
		return Snapshot{}, fmt.Errorf("tenant %s: %w", tenant, ErrNotValid)
	case !sameNames(sessions, after):
		return Snapshot{}, ErrBusy // a session that has come since has calls that were not read
	}
	if err := c.stillValid(ctx, token); err != nil {
		return Snapshot{}, fmt.Errorf("tenant %s: %w", tenant, err)
	}
	milliseconds, _ := answer[0].(int64)
	snapshot := Snapshot{Now: time.UnixMilli(milliseconds).UTC(), Epoch: token, Counters: map[limiterv1.Owner]map[string]limiterv1.MoneyCounter{}}
	snapshot.Broken = decodeBroken(all.Val())
	snapshot.Counters[limiterv1.Owner{}] = decodeCounters(fields[limiterv1.PerTenant], answer[2:])
	for i, owner := range owners {
		if ofOwners[i] != nil {
			snapshot.Counters[owner] = decodeCounters(fields[owner.Scope()], ofOwners[i].Val())
		}
	}
	for i, session := range sessions {
		calls, unreadable := decodeCalls(session, records[i].Val())
		snapshot.Calls = append(snapshot.Calls, calls...)
		snapshot.Unreadable += unreadable + unreadableBodies(calls)
	}
	snapshot.Formers = decodeFormers(all.Val()[formersField])
	snapshot.Estimated = all.Val()[limiterv1.EstimatedField] != ""
	calls, err := NewCalls(c.client).InOtherShards(ctx, shard, snapshot.Formers)
	snapshot.Calls = append(snapshot.Calls, calls...)
	return snapshot, err
}

// stillValid returns ErrNotValid unless the epoch with the token is valid in the run of every
// master. It must be asked after the data was read, because in older data the epoch looks valid,
// too.
func (c *Counters) stillValid(ctx context.Context, token string) error {
	servers, err := redisclient.Masters(ctx, c.client)
	if err != nil {
		return err
	}
	epoch, _, err := readEpoch(ctx, c.client)
	if err != nil {
		return err
	}
	isOther := func(server redisclient.Server) bool { return !epoch.ValidIn(server.Run) }
	if epoch.Token() != token || slices.ContainsFunc(servers, isOther) {
		return ErrNotValid
	}
	return nil
}

// unreadableBodies is how many of the calls are open and do not say where they count.
func unreadableBodies(calls []StoredCall) (unreadable int) {
	for _, call := range calls {
		if _, err := call.OpenCall(); err != nil && !call.Settled {
			unreadable++
		}
	}
	return unreadable
}

// areValid reports whether the fields of a tenant's counters say that the counters of all the
// limits are valid, those of owners included.
func areValid(counters map[string]string, limits []limiterv1.MoneyLimit) bool {
	for _, limit := range limits {
		if counters[validField(limiterv1.FieldOfAll(limit.Per, limiterv1.MoneyField(limit)))] == "" {
			return false
		}
	}
	return true
}

// readable returns the sessions, or ErrBusy if they have too many calls in a shard to be read at
// once.
func (c *Counters) readable(ctx context.Context, shard uint32) ([]string, error) {
	sessions, err := sessionsIn(ctx, c.client)
	if err != nil {
		return nil, err
	}
	pipe := c.client.Pipeline()
	sizes := make([]*redis.IntCmd, len(sessions))
	for i, session := range sessions {
		sizes[i] = pipe.HLen(ctx, limiterv1.CallsKey(shard, session))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("count the calls of shard %d: %w", shard, unanswered(err))
	}
	var calls int64
	for _, size := range sizes {
		calls += size.Val()
	}
	if calls > mostAtOnce {
		return nil, ErrBusy
	}
	return sessions, nil
}

func sameNames(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// decodeCounters are those of the values that are counters.
func decodeCounters(fields []string, values []any) map[string]limiterv1.MoneyCounter {
	counters := map[string]limiterv1.MoneyCounter{}
	for i, field := range fields {
		raw, _ := values[i].(string)
		if counter, err := limiterv1.DecodeMoneyCounter([]byte(raw)); err == nil {
			counters[field] = counter
		}
	}
	return counters
}

func anys(values []string) []any {
	all := make([]any, len(values))
	for i, value := range values {
		all[i] = value
	}
	return all
}

// epochOf is the epoch with the token.
func epochOf(token string) limiterv1.Epoch {
	number, _ := strconv.ParseInt(token, 10, 64)
	return limiterv1.Epoch{Number: number}
}
