package limiterstore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

//go:embed raise.lua
var raiseLua string

// Marks are high-water marks of the data, by the shards that they stand in: one of each
// master.
type Marks map[uint32]int64

// Behind reports whether one of the marks is lower than it was known to be: its data has
// gone back.
func (m Marks) Behind(known Marks) bool {
	for shard, mark := range m {
		if mark < known[shard] {
			return true
		}
	}
	return false
}

// Above returns the marks, each higher by so much than it is, and than it was known to be.
func (m Marks) Above(known Marks, by int64) Marks {
	above := Marks{}
	for shard, mark := range m {
		above[shard] = max(mark, known[shard]) + by
	}
	return above
}

// readMarks reads the mark of one shard of each master.
func (e *Epochs) readMarks(ctx context.Context) (Marks, error) {
	shards, err := e.markedShards(ctx)
	if err != nil {
		return nil, err
	}
	pipe := e.client.Pipeline()
	values := map[uint32]*redis.StringCmd{}
	for _, shard := range shards {
		values[shard] = pipe.Get(ctx, limiterv1.MarkKey(shard))
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("read the high-water marks: %w", err)
	}
	marks := Marks{}
	for shard, value := range values {
		mark, err := value.Int64()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, fmt.Errorf("read the high-water mark of shard %d: %w", shard, err)
		}
		marks[shard] = mark
	}
	return marks, nil
}

// markedShards are the first shards of all masters.
func (e *Epochs) markedShards(ctx context.Context) ([]uint32, error) {
	cluster, ok := e.client.(*redis.ClusterClient)
	if !ok {
		return []uint32{0}, nil
	}
	var shards []uint32
	seen := map[string]bool{}
	for shard := range uint32(limiterv1.Shards) {
		master, err := cluster.MasterForKey(ctx, limiterv1.MarkKey(shard))
		if err != nil {
			return nil, fmt.Errorf("find the masters of the shards: %w", err)
		}
		if addr := master.Options().Addr; !seen[addr] {
			seen[addr] = true
			shards = append(shards, shard)
		}
	}
	return shards, nil
}

// atLeast is ErrGoneBack where a mark is lower than it was seen.
func (e *Epochs) atLeast(ctx context.Context, seen Marks) error {
	marks, err := e.readMarks(ctx)
	if err == nil && marks.Behind(seen) {
		err = ErrGoneBack
	}
	return err
}

// ErrGoneBack means that a high-water mark is lower than it was seen.
var ErrGoneBack = errors.New("the data of Redis has gone back")

// Raise raises marks that are lower. If one is lower than seen says, it stays as it is, to
// be noticed again, and Raise returns ErrGoneBack. seen may be nil.
func (e *Epochs) Raise(ctx context.Context, seen, marks Marks) error {
	var raised []*redis.Cmd
	_, err := e.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for shard, mark := range marks {
			raised = append(raised, pipe.Eval(ctx, raiseLua, []string{limiterv1.MarkKey(shard)}, seen[shard], mark))
		}
		return nil
	})
	for _, answer := range raised {
		if is, _ := answer.Bool(); err == nil && !is {
			err = ErrGoneBack
		}
	}
	if err != nil {
		return fmt.Errorf("raise the high-water marks: %w", err)
	}
	return nil
}
