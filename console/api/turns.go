package api

import (
	"context"
	"sync"

	"github.com/bursar-dev/bursar/console/auth"
)

// atOnce is how many requests of one caller are answered at once: fewer than there are
// connections to Postgres (--database-connections), so that nobody keeps all of them from others.
const atOnce = 4

// turns have the requests of a caller wait for one another.
type turns struct {
	mu sync.Mutex
	of map[string]*turn
}

// turn is that of one caller, while there are requests of theirs.
type turn struct {
	running  chan struct{}
	requests int
}

// take waits until it is a request's turn. The caller must call done when that is answered. It
// fails when ctx ends before.
func (t *turns) take(ctx context.Context, who auth.Who) (done func(), err error) {
	name := who.Subject()
	t.mu.Lock()
	if t.of == nil {
		t.of = map[string]*turn{}
	}
	its := t.of[name]
	if its == nil {
		its = &turn{running: make(chan struct{}, atOnce)}
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
