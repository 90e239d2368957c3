package store

import (
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// NewWithClock makes a Store whose scripts read the time from a Lua expression.
func NewWithClock(client redis.UniversalClient, session, clock string) *Store {
	s := New(client, session)
	s.epoch.scripts = func(e limiterv1.Epoch) scripts {
		at := func(source string) *redis.Script {
			text := fmt.Sprintf("local EPOCH = '%s'\n", e.Token()) + limiterv1.ClockLua + countersLua + source
			return redis.NewScript(strings.ReplaceAll(text, "redis.call('TIME')", clock))
		}
		return scripts{at(admitLua), at(settleLua), at(takeLua)}
	}
	return s
}
