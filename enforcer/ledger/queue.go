package ledger

import (
	"context"
	"slices"
	"sync"
	"time"
)

// batchSize is how many items of a queue are taken at once, at most.
const batchSize = 500

// fewSize is how many calls are written at once when they must be in the ledger by a deadline.
// If the ledger has one of them already, it compares all with its rows, one by one, which may
// take a slow database a second for every five.
const fewSize = 50

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

// drop removes the first n items. An empty queue keeps the memory of a batch for reuse, and frees that
// of a burst.
func (q *queue[T]) drop(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	clear(q.items[:n])
	switch {
	case n < len(q.items):
		q.items = q.items[n:]
	case cap(q.items) <= batchSize:
		q.items = q.items[:0]
	default:
		q.items = nil
	}
}

func (q *queue[T]) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}

// consume hands the items of the queue to work, batch by batch, until ctx ends. The
// first item after the queue was empty waits for others for as long as linger, and
// there is a pause between two batches. An item leaves the queue when work has returned.
func consume[T any](ctx context.Context, q *queue[T], linger, between time.Duration, work func(context.Context, []T)) {
	for {
		if batch := q.first(batchSize); len(batch) > 0 {
			work(ctx, batch)
			if ctx.Err() != nil {
				return
			}
			q.drop(len(batch))
			pause(ctx, between)
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-q.filled:
			pause(ctx, linger)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	if d == 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// emptied waits until nothingLeft returns true, or ctx ends.
func emptied(ctx context.Context, nothingLeft func() bool) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !nothingLeft() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}
