package store

import (
	"strings"

	"github.com/redis/go-redis/v9"
)

// NewWithClock makes a Store whose scripts read the time from a Lua expression.
func NewWithClock(client redis.UniversalClient, session, clock string) *Store {
	s := New(client, session)
	at := func(source string) *redis.Script {
		return redis.NewScript(strings.ReplaceAll(countersLua+source, "redis.call('TIME')", clock))
	}
	s.admit, s.settle = at(admitLua), at(settleLua)
	return s
}
