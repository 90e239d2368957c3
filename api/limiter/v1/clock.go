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

// MostAhead is how far the limiter's time may be ahead of the clock of Redis, after that was
// set back. A time that is further ahead is not believed, wherever it stands.
const MostAhead = 48 * time.Hour

// LongestGap is how long a shard may go without a script that reads its time, while that is
// ahead of the clock: of a longer gap, as when the clock is set forward, only so much counts.
const LongestGap = time.Minute

// pace is how fast the limiter's time goes while it is ahead of the clock of Redis: nine
// tenths of the clock.
const paceNumerator, paceDenominator = 9, 10

// ClockTime is how long a wait takes by the clock while the limiter's time is ahead of it
// and so goes slower, rounded up to the millisecond; at most LongestWait.
func ClockTime(wait time.Duration) time.Duration {
	if wait > LongestWait/paceDenominator {
		return LongestWait
	}
	return (wait*paceDenominator/paceNumerator + time.Millisecond - 1).Truncate(time.Millisecond)
}
