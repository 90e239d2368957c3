package fakeprovider

import (
	"context"
	"sync"
)

// gate holds calls until they are resumed, all at once.
type gate struct {
	mu     sync.Mutex
	open   chan struct{}
	paused int
}

// wait returns when the gate is resumed after the call of wait, or with ctx's
// error when that ends first.
func (g *gate) wait(ctx context.Context) error {
	g.mu.Lock()
	if g.open == nil {
		g.open = make(chan struct{})
	}
	open := g.open
	g.paused++
	g.mu.Unlock()

	select {
	case <-open:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == open { // Otherwise resume has counted it already.
		g.paused--
	}
	return ctx.Err()
}

// resume resumes the paused calls, and returns how many they were.
func (g *gate) resume() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	resumed := g.paused
	g.paused = 0
	if g.open != nil {
		close(g.open)
		g.open = nil
	}
	return resumed
}

func (g *gate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.paused
}
