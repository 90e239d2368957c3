package limiterstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// announcePage is how many calls are put at once.
const announcePage = 500

// Announce replaces the calls in Redis of a session that cannot reach Redis with those that
// it has announced elsewhere, by shard and id, and notes that it has announced for an
// epoch. Settled calls in Redis stay. If the session was declared dead, all its calls stay
// as they are, because another session has ended them.
func (c *Calls) Announce(ctx context.Context, number int64, session string, calls map[uint32]map[string][]byte) error {
	err := c.announce(ctx, session, calls)
	if err == nil {
		err = c.client.HSet(ctx, limiterv1.AnnouncedKey, session, number).Err()
	}
	if err != nil {
		return fmt.Errorf("leave the calls of session %s in Redis: %w", session, err)
	}
	return nil
}

func (c *Calls) announce(ctx context.Context, session string, calls map[uint32]map[string][]byte) error {
	dead, err := c.client.Exists(ctx, limiterv1.FenceKey(session)).Result()
	if err != nil || dead > 0 {
		return err
	}
	// The session must be listed, so that another can adopt its calls if it does not come
	// back.
	now, err := c.client.Time(ctx).Result()
	if err != nil {
		return err
	}
	if err := c.client.ZAddNX(ctx, limiterv1.SessionsKey, redis.Z{Score: float64(now.UnixMilli()), Member: session}).Err(); err != nil {
		return err
	}
	known := make([]*redis.MapStringStringCmd, limiterv1.Shards)
	_, err = c.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for shard := range known {
			known[shard] = pipe.HGetAll(ctx, limiterv1.CallsKey(uint32(shard), session))
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = c.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for shard := range uint32(limiterv1.Shards) {
			stored, _ := decodeCalls(session, known[shard].Val())
			replaceCalls(ctx, pipe, limiterv1.CallsKey(shard, session), stored, calls[shard])
		}
		return nil
	})
	return err
}

// replaceCalls replaces the open calls under a key.
func replaceCalls(ctx context.Context, pipe redis.Pipeliner, key string, known []StoredCall, calls map[string][]byte) {
	for _, call := range known {
		if _, stays := calls[call.ID]; !stays && (!call.Settled || len(call.Body) == 0) {
			pipe.HDel(ctx, key, call.ID)
		}
	}
	put := make([]any, 0, 2*len(calls))
	for id, record := range calls {
		put = append(put, id, record)
	}
	for page := range slices.Chunk(put, 2*announcePage) {
		pipe.HSet(ctx, key, page...)
	}
}
