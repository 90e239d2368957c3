package store

import (
	"fmt"
	"strings"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// Broken is a value that cannot be right, which a script found, or would have written,
// and has mended. Each is reported once; the tenant's counters count them too.
type Broken struct {
	// Counter is what it was: money (a counter of money), bucket, or call (the record of
	// an open call).
	Counter string
	// Key is the key in Redis, which names the tenant, and Field the field in it.
	Key, Field string
	// Kind is what was wrong: negative, unreadable, fraction, overflow (beyond 2^53), or time
	// (of a period that cannot be).
	Kind string
	// Found is the value, and Mended what stands in its place.
	Found, Mended string
}

// BrokenCounters and BrokenKinds are all values of Counter and of Kind.
var (
	BrokenCounters = []string{"money", "bucket", "call"}
	BrokenKinds    = []string{"negative", "unreadable", "fraction", "overflow", "time"}
)

// OnBroken has f called with each value that a script finds broken. It must be called
// before the first SetEpoch, and applies to the Stores of later sessions too.
func (s *Store) OnBroken(f func(Broken)) { s.epoch.onBroken = f }

// readBroken reads what scripts answer of what was broken: six strings of each.
func readBroken(parts []any) (all []Broken) {
	const size = 6
	for ; len(parts) >= size; parts = parts[size:] {
		text := func(i int) string { return fmt.Sprint(parts[i]) }
		all = append(all, Broken{Counter: text(0), Key: text(1), Field: text(2), Kind: text(3), Found: text(4), Mended: text(5)})
	}
	return all
}

// recountNews is the message to the control plane that counters of a tenant, or of those
// above it, may have to be counted anew. accounts are those of a call, the tenant's first.
func recountNews(accounts []scriptAccount) string {
	const parts = 4 // "bursar", the shard, "tenant", the name
	name := strings.SplitN(accounts[0].key, ":", parts)
	return limiterv1.FeedTenant + " " + name[len(name)-1]
}
