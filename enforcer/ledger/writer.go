package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bursar-dev/bursar/enforcer/retry"
)

const (
	// linger is how long the first entry of a batch waits for others.
	linger = 20 * time.Millisecond
	// maxWaiting is how many entries wait in memory for Postgres, at most. An entry
	// takes less than a kilobyte, so that this is less than a gigabyte, and hours of
	// a busy enforcer. Entries beyond it stay in Redis alone.
	maxWaiting = 1_000_000
)

// Store keeps settled calls until the ledger has them.
type Store interface {
	// Forget drops calls of the budget tree with the root that the ledger has.
	Forget(ctx context.Context, root string, callIDs []string) error
}

// Writer writes entries to the ledger, in the order in which they were added.
type Writer struct {
	db    Database
	store Store
	log   *slog.Logger
	limit int

	waiting *queue[Entry]
	// written are the entries that Redis may forget.
	written *queue[Entry]
	// refused and left count the entries that stay in Redis alone: those that the
	// database will never take, and those for which there was no room in memory.
	refused, left atomic.Int64
}

// NewWriter makes a Writer. Run must run beside it.
func NewWriter(db Database, store Store, log *slog.Logger) *Writer {
	return &Writer{
		db: db, store: store, log: log, limit: maxWaiting,
		waiting: newQueue[Entry](), written: newQueue[Entry](),
	}
}

// Add takes a settled call to the ledger. It returns at once.
func (w *Writer) Add(e Entry) {
	if w.waiting.add(w.limit, e) {
		return
	}
	if n := w.left.Add(1); n == 1 || n%1000 == 0 {
		w.log.Error("the ledger's queue is full: settled calls stay in Redis and not in the ledger",
			"calls", n, "waiting", w.Waiting(), "call", e.CallID)
	}
}

// Waiting is how many entries wait to be written.
func (w *Writer) Waiting() int { return w.waiting.len() }

// Refused is how many entries the database refused for good.
func (w *Writer) Refused() int64 { return w.refused.Load() }

// Left is how many entries found no room in memory.
func (w *Writer) Left() int64 { return w.left.Load() }

// Run writes until ctx ends. What is not written by then stays in Redis.
func (w *Writer) Run(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { consume(ctx, w.waiting, linger, 0, w.write) })
	both.Go(func() { consume(ctx, w.written, 0, 0, w.forget) })
	both.Wait()
}

// Write writes entries at once, and returns those that the ledger has now. Those
// that the database refuses for good are told to the log and left out. After an
// error it may have some; writing them again changes nothing.
func (w *Writer) Write(ctx context.Context, entries []Entry) (written []Entry, err error) {
	for batch := range slices.Chunk(entries, batchSize) {
		rejected, err := calls.insert(ctx, w.db, batch)
		if err != nil {
			return written, err
		}
		w.tell(rejected)
		written = append(written, without(batch, rejected)...)
	}
	return written, nil
}

// tell tells the log of calls that the database will never take.
func (w *Writer) tell(rejected []rejection[Entry]) {
	for _, r := range rejected {
		w.refused.Add(1)
		w.log.Error("the ledger refuses a call; it stays in Redis", "error", r.err, "entry", r.row)
	}
}

// without are the calls of a batch that were not rejected.
func without(batch []Entry, rejected []rejection[Entry]) []Entry {
	if len(rejected) == 0 {
		return batch
	}
	return slices.DeleteFunc(slices.Clone(batch), func(e Entry) bool {
		return slices.ContainsFunc(rejected, func(r rejection[Entry]) bool { return r.row.CallID == e.CallID })
	})
}

// Flush waits until everything that was added is written, and forgotten in Redis.
func (w *Writer) Flush(ctx context.Context) error {
	if err := empty(ctx, w.waiting, w.written); err != nil {
		return fmt.Errorf("%d calls are not in the ledger, %d of it not dropped from Redis: %w", w.waiting.len(), w.written.len(), err)
	}
	return nil
}

// Written waits until everything that was added is written.
func (w *Writer) Written(ctx context.Context) error {
	if err := empty(ctx, w.waiting); err != nil {
		return fmt.Errorf("%d calls are not in the ledger: %w", w.waiting.len(), err)
	}
	return nil
}

// write writes a batch, and tries until it is written, but for what is refused for good.
func (w *Writer) write(ctx context.Context, batch []Entry) {
	var rejected []rejection[Entry]
	err := w.try(ctx, "write to the ledger", func(ctx context.Context) (err error) {
		rejected, err = calls.insert(ctx, w.db, batch)
		return err
	})
	if err != nil {
		return // ctx has ended
	}
	w.tell(rejected)
	w.written.add(w.limit, without(batch, rejected)...)
}

// forget drops calls from Redis that the ledger has.
func (w *Writer) forget(ctx context.Context, batch []Entry) {
	ids := map[string][]string{}
	for _, e := range batch {
		ids[e.Root] = append(ids[e.Root], e.CallID)
	}
	for root, ids := range ids {
		_ = w.try(ctx, "drop calls from Redis", func(ctx context.Context) error { // fails with ctx alone
			return w.store.Forget(ctx, root, ids)
		})
	}
}

func (w *Writer) try(ctx context.Context, what string, do func(context.Context) error) error {
	return retry.Until(ctx, do, func(err error, pause time.Duration) {
		w.log.Error("cannot "+what+"; will try again", "error", err, "waiting", w.Waiting(), "after", pause.String())
	})
}
