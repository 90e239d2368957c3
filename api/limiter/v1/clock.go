package limiterv1

import (
	_ "embed"
	"time"
)

// ClockLua is the text of limiter_time, a function of Lua that answers the limiter's time,
// which only goes forward, by the ClockKey of a shard. Every script that decides, records
// or reads by time begins with it.
//
//go:embed clock.lua
var ClockLua string

// ClockKey holds the limiter's time in a shard; see clock.lua.
func ClockKey(shard uint32) string { return shardKey(shard, "clock") }

// MostAhead is how far the limiter's time may be ahead of the clock of Redis after that was
// set back. A time that is further ahead is not believed, wherever it is stored.
const MostAhead = 48 * time.Hour

// LongestGap is how long a shard whose time is ahead of the clock may go without a script
// that reads the time. Of a longer gap, as when the clock is set forward, only so much
// counts.
const LongestGap = time.Minute

// pace is the speed of the limiter's time while it is ahead of the clock of Redis: nine
// tenths of the clock's.
const paceNumerator, paceDenominator = 9, 10

// ClockTime is how long a wait of the limiter's time takes by the clock, at most, since the
// limiter's time is slower while it is ahead. It is rounded up to the millisecond, and at
// most LongestWait.
func ClockTime(wait time.Duration) time.Duration {
	if wait > LongestWait/paceDenominator {
		return LongestWait
	}
	return (wait*paceDenominator/paceNumerator + time.Millisecond - 1).Truncate(time.Millisecond)
}
