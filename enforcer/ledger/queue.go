package ledger

import (
	"slices"
	"sync"
)

// queue is a first-in, first-out queue that wakes its one reader.
type queue[T any] struct {
	mu    sync.Mutex
	items []T
	// filled receives after items were added.
	filled chan struct{}
}

func newQueue[T any]() *queue[T] { return &queue[T]{filled: make(chan struct{}, 1)} }

// add adds items unless the queue would then be longer than limit.
func (q *queue[T]) add(limit int, items ...T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items)+len(items) > limit {
		return false
	}
	q.items = append(q.items, items...)
	select {
	case q.filled <- struct{}{}:
	default:
	}
	return true
}

// first are the first items, at most n of them. They stay in the queue.
func (q *queue[T]) first(n int) []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.items[:min(n, len(q.items))])
}

// drop removes the first n items.
func (q *queue[T]) drop(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	clear(q.items[:n])
	if q.items = q.items[n:]; len(q.items) == 0 {
		q.items = nil // a burst's memory goes with it
	}
}

func (q *queue[T]) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}
