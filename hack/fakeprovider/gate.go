package fakeprovider

import (
	"context"
	"sync"
)

// gate holds calls until they are released, all at once.
type gate struct {
	mu   sync.Mutex
	open chan struct{}
	held int
}

// wait returns when the gate is released after the call of wait, or with ctx's
// error when that ends first.
func (g *gate) wait(ctx context.Context) error {
	g.mu.Lock()
	if g.open == nil {
		g.open = make(chan struct{})
	}
	open := g.open
	g.held++
	g.mu.Unlock()

	select {
	case <-open:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == open { // Otherwise release has counted it already.
		g.held--
	}
	return ctx.Err()
}

// release lets go the calls that are held, and says how many they were.
func (g *gate) release() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	released := g.held
	g.held = 0
	if g.open != nil {
		close(g.open)
		g.open = nil
	}
	return released
}

func (g *gate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held
}
