package identify

import (
	"context"
	"sync"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

const (
	// keyWait is how long a request waits for keys after they were asked for, and maxWaiting
	// how many requests wait at the same time.
	keyWait    = 2 * time.Second
	maxWaiting = 256
	// askTimeout bounds asking for keys.
	askTimeout = time.Second
)

// wantedKeys asks for unknown keys of IdentityProviders that tokens name. Anybody can make
// up such tokens, so it asks at most once in limiterv1.WantedKeysPause for each
// IdentityProvider.
type wantedKeys struct {
	ask     func(ctx context.Context, provider string) error
	onAsk   func()
	waiting chan struct{}

	mu    sync.Mutex
	asked map[string]time.Time // by the IdentityProvider's name
}

func newWantedKeys(ask func(ctx context.Context, provider string) error, onAsk func()) *wantedKeys {
	return &wantedKeys{ask: ask, onAsk: onAsk, waiting: make(chan struct{}, maxWaiting), asked: map[string]time.Time{}}
}

// turn is a request's permission to wait for keys; nil for none.
type turn struct {
	keys  *wantedKeys
	until time.Time
}

// turn asks for the keys of an IdentityProvider, unless that was done a short while ago. It
// is empty if no answer is to be expected, or if too many requests wait for one.
func (w *wantedKeys) turn(provider string) *turn {
	if w.ask == nil {
		return &turn{}
	}
	until := w.want(provider).Add(keyWait)
	if !time.Now().Before(until) {
		return &turn{}
	}
	select {
	case w.waiting <- struct{}{}:
		return &turn{keys: w, until: until}
	default:
		return &turn{}
	}
}

// want asks for the keys of an IdentityProvider, and returns when that was done last.
func (w *wantedKeys) want(provider string) (asked time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if asked = w.asked[provider]; now.Sub(asked) < limiterv1.WantedKeysPause {
		return asked
	}
	w.asked[provider] = now
	w.onAsk()
	go w.send(provider)
	return now
}

// send asks. If asking fails, it may be repeated after keyWait.
func (w *wantedKeys) send(provider string) {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	if w.ask(ctx, provider) == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked[provider] = time.Now().Add(keyWait - limiterv1.WantedKeysPause)
}

// await waits until an IdentityProvider is replaced, and reports whether it was.
func (t *turn) await(ctx context.Context, replaced <-chan struct{}) bool {
	if t.keys == nil {
		return false
	}
	ctx, cancel := context.WithDeadline(ctx, t.until)
	defer cancel()
	select {
	case <-replaced:
		return true
	case <-ctx.Done():
		return false
	}
}

// end lets another request wait.
func (t *turn) end() {
	if t != nil && t.keys != nil {
		<-t.keys.waiting
	}
}
