package limiterstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// KeepTime moves the limiter's time on in all shards where it is ahead of the clock of Redis.
// There, it only moves on when a script reads it, by what the clock has gained since the last
// script, at most limiterv1.LongestGap. So KeepTime must be called more often than that.
func (e *Epochs) KeepTime(ctx context.Context) error {
	ahead, err := e.ahead(ctx)
	if err != nil || len(ahead) == 0 {
		return err
	}
	_, err = e.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, key := range ahead {
			pipe.Eval(ctx, limiterv1.ClockLua+readClock, []string{key})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep the limiter's time: %w", err)
	}
	return nil
}

// ahead are the keys of the shards' times that are ahead of the clock.
func (e *Epochs) ahead(ctx context.Context) (keys []string, err error) {
	pipe := e.client.Pipeline()
	clock, times := pipe.Time(ctx), make([]*redis.StringCmd, limiterv1.Shards)
	for shard := range times {
		times[shard] = pipe.Get(ctx, limiterv1.ClockKey(uint32(shard)))
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("read the limiter's time: %w", err)
	}
	for shard, stored := range times {
		if raw, err := stored.Bytes(); err == nil && isAhead(raw, clock.Val()) {
			keys = append(keys, limiterv1.ClockKey(uint32(shard)))
		}
	}
	return keys, nil
}

// isAhead reports whether a shard's time, as clock.lua packs it, is ahead of the clock.
func isAhead(raw []byte, clock time.Time) bool {
	return len(raw) >= 8 && math.Float64frombits(binary.LittleEndian.Uint64(raw)) > float64(clock.UnixMilli())
}
