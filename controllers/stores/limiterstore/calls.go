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

// InShard are the calls in a shard of all sessions that there are or, if they are
// dead, that have left some; and the time, by the clock that periods turn by.
func (c *Calls) InShard(ctx context.Context, shard uint32) (calls []StoredCall, now time.Time, err error) {
	sessions, err := sessionsIn(ctx, c.client)
	if err != nil {
		return nil, time.Time{}, err
	}
	if now, err = limiterTime(ctx, c.client, shard); err != nil {
		return nil, time.Time{}, err
	}
	pipe := c.client.Pipeline()
	records := make([]*redis.MapStringStringCmd, len(sessions))
	for i, session := range sessions {
		records[i] = pipe.HGetAll(ctx, limiterv1.CallsKey(shard, session))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, time.Time{}, fmt.Errorf("read the calls of shard %d: %w", shard, unanswered(err))
	}
	for i, session := range sessions {
		of, _ := decodeCalls(session, records[i].Val())
		calls = append(calls, of...)
	}
	return calls, now, nil
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

// decodeCalls are the calls of a session, and how many records there are beside them that
// nobody can read.
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

// Drop drops calls of a session that the ledger has.
func (c *Calls) Drop(ctx context.Context, shard uint32, session string, ids ...string) error {
	if err := c.client.HDel(ctx, limiterv1.CallsKey(shard, session), ids...).Err(); err != nil {
		return fmt.Errorf("drop calls of session %s: %w", session, unanswered(err))
	}
	return nil
}
