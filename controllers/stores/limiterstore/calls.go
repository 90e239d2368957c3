package limiterstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// Calls are the calls that enforcers have open, or settled and perhaps not yet in the
// ledger.
type Calls struct{ client redis.UniversalClient }

// NewCalls makes Calls.
func NewCalls(client redis.UniversalClient) *Calls { return &Calls{client: client} }

// StoredCall is a call that a session has open, or settled and perhaps not yet in the
// ledger.
type StoredCall struct {
	Session string
	ID      string
	limiterv1.CallRecord
}

// ShardCalls are the calls in a shard at one moment.
type ShardCalls struct {
	Calls []StoredCall
	// Now is that moment, by the clock that periods turn by.
	Now time.Time
}

// InShard returns the calls in a shard, of live sessions and of dead ones that have left
// some, and the time by the clock that periods turn by.
func (c *Calls) InShard(ctx context.Context, shard uint32) (calls []StoredCall, now time.Time, err error) {
	in, err := c.InShards(ctx, shard)
	return in[shard].Calls, in[shard].Now, err
}

// InShards are the calls in several shards, as InShard.
func (c *Calls) InShards(ctx context.Context, shards ...uint32) (map[uint32]ShardCalls, error) {
	sessions, err := sessionsIn(ctx, c.client)
	if err != nil {
		return nil, err
	}
	times, err := limiterTimes(ctx, c.client, shards)
	if err != nil {
		return nil, err
	}
	in := map[uint32]ShardCalls{}
	var lists []callList
	for i, shard := range shards {
		in[shard] = ShardCalls{Now: times[i]}
		for _, session := range sessions {
			lists = append(lists, callList{shard, session})
		}
	}
	for some := range slices.Chunk(lists, batch) {
		if err := c.read(ctx, some, in); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// callList is the calls that a session has in a shard.
type callList struct {
	shard   uint32
	session string
}

// read reads lists, and adds their calls to those of their shards.
func (c *Calls) read(ctx context.Context, lists []callList, in map[uint32]ShardCalls) error {
	pipe := c.client.Pipeline()
	records := make([]*redis.MapStringStringCmd, len(lists))
	for i, list := range lists {
		records[i] = pipe.HGetAll(ctx, limiterv1.CallsKey(list.shard, list.session))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("read the calls of shards %d to %d: %w", lists[0].shard, lists[len(lists)-1].shard, unanswered(err))
	}
	for i, list := range lists {
		calls, _ := decodeCalls(list.session, records[i].Val())
		all := in[list.shard]
		all.Calls = append(all.Calls, calls...)
		in[list.shard] = all
	}
	return nil
}

// InOtherShards are the calls in the shards of budget trees with the roots, except one shard.
func (c *Calls) InOtherShards(ctx context.Context, except uint32, roots []string) ([]StoredCall, error) {
	read := []uint32{except}
	var calls []StoredCall
	for _, root := range roots {
		shard := limiterv1.Shard(root)
		if slices.Contains(read, shard) {
			continue
		}
		in, _, err := c.InShard(ctx, shard)
		if err != nil {
			return nil, err
		}
		read, calls = append(read, shard), append(calls, in...)
	}
	return calls, nil
}

// decodeCalls returns the calls of a session, and how many unreadable records there are
// beside them.
func decodeCalls(session string, records map[string]string) (calls []StoredCall, unreadable int) {
	for id, raw := range records {
		if id == limiterv1.FencedField {
			continue
		}
		record, err := limiterv1.DecodeCallRecord([]byte(raw))
		if err != nil {
			unreadable++
			continue
		}
		calls = append(calls, StoredCall{Session: session, ID: id, CallRecord: record})
	}
	return calls, unreadable
}

// Drop drops calls of a session that have ended.
func (c *Calls) Drop(ctx context.Context, shard uint32, session string, ids ...string) error {
	if err := c.client.HDel(ctx, limiterv1.CallsKey(shard, session), ids...).Err(); err != nil {
		return fmt.Errorf("drop calls of session %s: %w", session, unanswered(err))
	}
	return nil
}
