package api

import (
	"net/http"
	"sync"
	"time"

	"github.com/bursar-dev/bursar/console/auth"
)

// mostNewKeys is how many keys a member can make, or replace, within a day, at one console. It is bounded
// because each key leaves something in Redis, and limits per Key begin anew with it.
const mostNewKeys = 50

// newKeys are how many keys members have made within a day.
type newKeys struct {
	mu    sync.Mutex
	since time.Time
	of    map[string]int
}

// take records that the keeper makes a key. It fails if a member has made too many; an admin has no
// limit.
func (n *newKeys) take(k keeper, who auth.Who, now time.Time) error {
	if k.isAdmin() {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.of == nil || now.Sub(n.since) >= 24*time.Hour {
		n.since, n.of = now, map[string]int{}
	}
	name := who.Subject()
	if n.of[name] >= mostNewKeys {
		p := problem(http.StatusTooManyRequests, "too_many_new_keys", "Too many new keys", "you have made or replaced 50 keys within a day: wait until tomorrow, or ask an admin of the tenant")
		p.header = http.Header{"Retry-After": {"3600"}}
		return p
	}
	n.of[name]++
	return nil
}
