package store

import (
	"strings"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// NewWithClock makes a Store whose scripts read the time from a Lua expression.
func NewWithClock(client redis.UniversalClient, session, clock string) *Store {
	s := New(client, session)
	s.epoch.scripts = func(e limiterv1.Epoch) scripts {
		at := func(source string) *redis.Script {
			return redis.NewScript(strings.ReplaceAll(scriptHead(e)+source, "redis.call('TIME')", clock))
		}
		return scripts{at(admitLua), at(settleLua), at(takeLua)}
	}
	return s
}
