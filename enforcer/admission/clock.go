package admission

import (
	"sync/atomic"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// clock guesses what the Store's clock says. The Store keeps a time for each shard, and
// these may lie far apart once the clock of Redis was set back: what is heard of one says
// nothing of another. The Store checks every guess.
type clock struct {
	// machine is this machine's clock.
	machine func() time.Time
	shards  [limiterv1.Shards]heardTime
	// last is what was heard last of any shard: the guess for those never heard of.
	last heardTime
}

// heardTime is what was last heard of a time: how far it was ahead of this machine's clock,
// in nanoseconds, and the time itself, in milliseconds; 0 before anything was heard.
type heardTime struct{ ahead, seen atomic.Int64 }

// now is the guess for the budget tree with the root: not less than what was heard last,
// should this machine's clock have been set back.
func (c *clock) now(root string) time.Time {
	heard := &c.shards[limiterv1.Shard(root)]
	if heard.seen.Load() == 0 {
		heard = &c.last
	}
	now := c.machine().Add(time.Duration(heard.ahead.Load()))
	if seen := time.UnixMilli(heard.seen.Load()); seen.After(now) {
		return seen
	}
	return now
}

// hear takes note of what the Store's clock says for the budget tree with the root.
func (c *clock) hear(root string, now time.Time) {
	ahead := int64(now.Sub(c.machine()))
	for _, heard := range []*heardTime{&c.shards[limiterv1.Shard(root)], &c.last} {
		heard.ahead.Store(ahead)
		heard.seen.Store(now.UnixMilli())
	}
}
