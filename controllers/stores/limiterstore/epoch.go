package limiterstore

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/redisclient"
)

//go:embed swap.lua
var swapLua string

var swapScript = redis.NewScript(swapLua)

// ErrSuperseded means that Redis has an epoch by now that is newer than the caller's.
var ErrSuperseded = errors.New("another epoch has begun")

// SuspendedError means that no epoch is valid: nothing is admitted, for any tenant.
type SuspendedError struct {
	// Reason is why, for people to read.
	Reason string
}

// Error is the reason.
func (e *SuspendedError) Error() string { return "the limiter is suspended: " + e.Reason }

// Epochs are the generations of the counters.
type Epochs struct{ client redis.UniversalClient }

// NewEpochs makes Epochs.
func NewEpochs(client redis.UniversalClient) *Epochs { return &Epochs{client: client} }

// Current is the generation of the counters; zero when there is none.
func (e *Epochs) Current(ctx context.Context) (limiterv1.Epoch, error) {
	epoch, _, err := readEpoch(ctx, e.client)
	return epoch, err
}

// readEpoch reads the epoch, and how it stands in Redis.
func readEpoch(ctx context.Context, client redis.UniversalClient) (epoch limiterv1.Epoch, raw string, err error) {
	raw, err = client.Get(ctx, limiterv1.EpochKey).Result()
	if errors.Is(err, redis.Nil) {
		return limiterv1.Epoch{}, "", nil
	}
	if err != nil {
		return limiterv1.Epoch{}, "", fmt.Errorf("read the epoch: %w", unanswered(err))
	}
	if err := json.Unmarshal([]byte(raw), &epoch); err != nil {
		return limiterv1.Epoch{}, "", fmt.Errorf("read the epoch: %w", err)
	}
	return epoch, raw, nil
}

// Inspection is what Redis says of itself and of the epoch.
type Inspection struct {
	Epoch   limiterv1.Epoch
	Servers []redisclient.Server
	// Gaps is how many shards do not know the epoch: their nodes have lost data.
	Gaps int
	// Marks are the high-water marks, of one shard of each master.
	Marks Marks
}

// Whole reports whether every master is in a run in which the epoch is valid, and
// every shard knows it.
func (i Inspection) Whole() bool {
	return i.Gaps == 0 && !slices.ContainsFunc(i.Servers, func(server redisclient.Server) bool { return !i.Epoch.ValidIn(server.Run) })
}

// Runs are the runs of the masters, in order.
func (i Inspection) Runs() []string {
	var runs []string
	for _, server := range i.Servers {
		runs = append(runs, server.Run)
	}
	slices.Sort(runs)
	return runs
}

// Inspect asks every master about itself and every shard about the epoch.
func (e *Epochs) Inspect(ctx context.Context) (found Inspection, err error) {
	if found.Servers, err = redisclient.Masters(ctx, e.client); err != nil {
		return Inspection{}, err
	}
	if found.Epoch, err = e.Current(ctx); err != nil {
		return Inspection{}, err
	}
	if found.Marks, err = e.readMarks(ctx); err != nil {
		return Inspection{}, err
	}
	pipe := e.client.Pipeline()
	shards := make([]*redis.StringCmd, limiterv1.Shards)
	for shard := range shards {
		shards[shard] = pipe.Get(ctx, limiterv1.ShardEpochKey(uint32(shard)))
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return Inspection{}, fmt.Errorf("read the shards' epochs: %w", unanswered(err))
	}
	for _, shard := range shards {
		if shard.Err() != nil && !errors.Is(shard.Err(), redis.Nil) {
			return Inspection{}, fmt.Errorf("read the shards' epochs: %w", unanswered(shard.Err()))
		}
		if shard.Val() != found.Epoch.Token() {
			found.Gaps++
		}
	}
	return found, nil
}

// Begin suspends the limiter under a new epoch in the place of the one that was
// seen, in the runs of the masters: sessions are to announce their open calls. It is
// ErrSuperseded when there is another than was seen.
func (e *Epochs) Begin(ctx context.Context, seen limiterv1.Epoch, number int64, runs []string) error {
	epoch := limiterv1.Epoch{Number: number, State: limiterv1.EpochRebuilding, Runs: runs}
	err := e.put(ctx, epoch, func(was limiterv1.Epoch) bool {
		return was.Number == seen.Number && was.State == seen.State && was.Number < number
	})
	if err != nil {
		return fmt.Errorf("begin an epoch: %w", err)
	}
	return nil
}

// Complete makes an epoch that was begun valid, in the runs of the masters. It is ErrGoneBack
// where a high-water mark is lower than it was seen: that master has lost what was announced
// meanwhile. One that loses its data later loses the shards' epochs, too.
func (e *Epochs) Complete(ctx context.Context, number int64, runs []string, seen Marks) error {
	epoch := limiterv1.Epoch{Number: number, State: limiterv1.EpochValid, Runs: runs}
	pipe := e.client.Pipeline()
	for shard := range uint32(limiterv1.Shards) {
		pipe.Set(ctx, limiterv1.ShardEpochKey(shard), epoch.Token(), 0)
	}
	_, err := pipe.Exec(ctx)
	if err = unanswered(err); err == nil {
		err = e.atLeast(ctx, seen)
	}
	if err == nil {
		err = e.put(ctx, epoch, func(was limiterv1.Epoch) bool {
			return was.Number == number && was.State == limiterv1.EpochRebuilding
		})
	}
	if err != nil {
		return fmt.Errorf("complete epoch %d: %w", number, err)
	}
	return nil
}

// Refuse suspends the limiter until another epoch begins, and says why.
func (e *Epochs) Refuse(ctx context.Context, reason string) error {
	was, err := e.Current(ctx)
	if err == nil && (was.State != limiterv1.EpochRefused || was.Reason != reason) {
		refused := limiterv1.Epoch{Number: was.Number, State: limiterv1.EpochRefused, Reason: reason}
		err = e.put(ctx, refused, func(now limiterv1.Epoch) bool { return now.Number == was.Number })
	}
	if err != nil {
		return fmt.Errorf("suspend the limiter: %w", err)
	}
	return nil
}

// put puts an epoch in the place of one that may be replaced.
func (e *Epochs) put(ctx context.Context, epoch limiterv1.Epoch, replaces func(was limiterv1.Epoch) bool) error {
	body, err := json.Marshal(epoch)
	if err != nil {
		return err
	}
	keys := []string{limiterv1.EpochKey, limiterv1.AnnouncedKey}
	for {
		was, raw, err := readEpoch(ctx, e.client)
		if err != nil {
			return err
		}
		if !replaces(was) {
			return ErrSuperseded
		}
		swapped, err := swapScript.Run(ctx, e.client, keys, raw, body, limiterv1.ConfigChannel,
			limiterv1.FeedChannel, limiterv1.FeedEpoch+" "+epoch.Token()).Bool()
		if err != nil || swapped {
			return unanswered(err)
		}
	}
}

// Announced are the sessions that have announced their open calls for an epoch.
func (e *Epochs) Announced(ctx context.Context, number int64) (map[string]bool, error) {
	all, err := e.client.HGetAll(ctx, limiterv1.AnnouncedKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read which enforcers have announced open calls: %w", unanswered(err))
	}
	announced := map[string]bool{}
	for session, of := range all {
		if of == strconv.FormatInt(number, 10) {
			announced[session] = true
		}
	}
	return announced, nil
}
