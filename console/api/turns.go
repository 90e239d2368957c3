package api

import (
	"context"
	"sync"
)

// atOnce is how many requests of one caller are answered at once. It is less than the number of
// connections to Postgres (--database-connections), so that no caller can occupy all of them.
const atOnce = 4

// turns makes requests of the same caller or tenant wait for one another.
type turns struct {
	// atOnce is how many of them are answered at once.
	atOnce int

	mu sync.Mutex
	of map[string]*turn
}

func newTurns(atOnce int) *turns { return &turns{atOnce: atOnce, of: map[string]*turn{}} }

// turn is the queue of one caller or tenant, while they have requests.
type turn struct {
	running  chan struct{}
	requests int
}

// take waits until a request of name may be answered. The caller must call done once it is. It
// fails when ctx ends first.
func (t *turns) take(ctx context.Context, name string) (done func(), err error) {
	t.mu.Lock()
	its := t.of[name]
	if its == nil {
		its = &turn{running: make(chan struct{}, t.atOnce)}
		t.of[name] = its
	}
	its.requests++
	t.mu.Unlock()
	select {
	case its.running <- struct{}{}:
		return func() { <-its.running; t.leave(name, its) }, nil
	case <-ctx.Done():
		t.leave(name, its)
		return nil, ctx.Err()
	}
}

func (t *turns) leave(name string, its *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if its.requests--; its.requests == 0 {
		delete(t.of, name)
	}
}
