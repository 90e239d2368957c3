package identity

import (
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"sync"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

const (
	// tellEvery is how often used keys are reported, tellTimeout how long that may take, and
	// toldAtOnce how many are reported at once.
	tellEvery   = 10 * time.Second
	tellTimeout = 2 * time.Second
	toldAtOnce  = 1000
)

// uses are the keys that were used in one limiterv1.KeyUseQuantum. Each is reported once in
// it, however often it is used. There are never more uses than there are keys.
type uses struct {
	tell func(ctx context.Context, at time.Time, names []string) error

	mu   sync.RWMutex
	at   time.Time
	used map[[sha256.Size]byte]struct{}
	// waiting are the names of the documents that are not reported yet.
	waiting map[string]struct{}
}

func newUses(tell func(ctx context.Context, at time.Time, names []string) error) *uses {
	return &uses{tell: tell, used: map[[sha256.Size]byte]struct{}{}, waiting: map[string]struct{}{}}
}

// note notes that a key is used.
func (u *uses) note(hash [sha256.Size]byte, key limiterv1.Credential, now time.Time) {
	if u.tell == nil {
		return
	}
	at := now.Truncate(limiterv1.KeyUseQuantum)
	u.mu.RLock()
	_, known := u.used[hash]
	known = known && u.at.Equal(at)
	u.mu.RUnlock()
	if known {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.at.Equal(at) {
		u.at, u.used = at, map[[sha256.Size]byte]struct{}{} // what waits is told as of now: it was used a moment ago
	}
	if _, known := u.used[hash]; !known {
		u.used[hash] = struct{}{}
		u.waiting[limiterv1.CredentialName(key.Namespace(), key.SHA256)] = struct{}{}
	}
}

// run reports which keys were used until ctx ends, and then once more.
func (u *uses) run(ctx context.Context) {
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			u.tellAll(context.WithoutCancel(ctx))
			return
		case <-tick.C:
			u.tellAll(ctx)
		}
	}
}

// tellAll reports the waiting names. Those that could not be reported go on waiting.
func (u *uses) tellAll(ctx context.Context) {
	u.mu.Lock()
	at, waiting := u.at, slices.Collect(maps.Keys(u.waiting))
	clear(u.waiting)
	u.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	for len(waiting) > 0 {
		some := waiting[:min(len(waiting), toldAtOnce)]
		if u.tell(ctx, at, some) != nil {
			u.mu.Lock()
			for _, name := range waiting {
				u.waiting[name] = struct{}{}
			}
			u.mu.Unlock()
			return
		}
		waiting = waiting[len(some):]
	}
}
