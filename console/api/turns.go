package api

import (
	"context"
	"sync"
)

// atOnce is how many requests of one caller are answered at once: fewer than there are
// connections to Postgres (--database-connections), so that nobody keeps all of them from others.
const atOnce = 4

// turns have requests of the same caller or tenant wait for one another.
type turns struct {
	// atOnce is how many of the same are answered at once.
	atOnce int

	mu sync.Mutex
	of map[string]*turn
}

func newTurns(atOnce int) *turns { return &turns{atOnce: atOnce, of: map[string]*turn{}} }

// turn is that of one caller or tenant, while there are requests of theirs.
type turn struct {
	running  chan struct{}
	requests int
}

// take waits until it is the turn of a request of name. The caller must call done when that is
// answered. It fails when ctx ends before.
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
