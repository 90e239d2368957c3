package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bursar-dev/bursar/enforcer/retry"
)

const (
	// linger is how long the first entry of a batch waits for others.
	linger = 20 * time.Millisecond
	// batchSize is how many entries are written at once, at most.
	batchSize = 500

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
	both.Go(func() { consume(ctx, w.waiting, linger, w.write) })
	both.Go(func() { consume(ctx, w.written, 0, w.forget) })
	both.Wait()
}

// Write writes entries at once, and returns those that the ledger has now. Those
// that the database refuses for good are told to the log and left out. After an
// error it may have some; writing them again changes nothing.
func (w *Writer) Write(ctx context.Context, entries []Entry) (written []Entry, err error) {
	for batch := range slices.Chunk(entries, batchSize) {
		taken, err := w.writeOrHalve(ctx, batch)
		written = append(written, taken...)
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

func (w *Writer) writeOrHalve(ctx context.Context, batch []Entry) (written []Entry, err error) {
	err = insert(ctx, w.db, batch)
	switch {
	case err == nil:
		return batch, nil
	case !refusedForGood(err):
		return nil, err
	case len(batch) == 1:
		w.log.Error("the ledger refuses a call; it stays in Redis", "error", err, "entry", batch[0])
		return nil, nil
	}
	half := len(batch) / 2
	first, err := w.writeOrHalve(ctx, batch[:half])
	if err != nil {
		return first, err
	}
	second, err := w.writeOrHalve(ctx, batch[half:])
	return append(slices.Clone(first), second...), err
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

// empty waits until queues are empty.
func empty(ctx context.Context, queues ...*queue[Entry]) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for slices.ContainsFunc(queues, func(q *queue[Entry]) bool { return q.len() > 0 }) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// consume hands what is in the queue to work, batch by batch, until ctx ends. An
// item leaves the queue when work has returned.
func consume(ctx context.Context, q *queue[Entry], linger time.Duration, work func(context.Context, []Entry)) {
	for {
		if batch := q.first(batchSize); len(batch) > 0 {
			work(ctx, batch)
			if ctx.Err() != nil {
				return
			}
			q.drop(len(batch))
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-q.filled:
			time.Sleep(linger)
		}
	}
}

// write writes a batch, and tries until it is written or refused for good.
func (w *Writer) write(ctx context.Context, batch []Entry) {
	var refusal error
	err := w.try(ctx, "write to the ledger", func(ctx context.Context) error {
		err := insert(ctx, w.db, batch)
		if refusedForGood(err) {
			refusal, err = err, nil
		}
		return err
	})
	switch {
	case err != nil: // ctx has ended
	case refusal == nil:
		w.written.add(w.limit, batch...)
	case len(batch) > 1:
		half := len(batch) / 2
		w.write(ctx, batch[:half])
		w.write(ctx, batch[half:])
	default:
		w.refused.Add(1)
		w.log.Error("the ledger refuses a call; it stays in Redis", "error", refusal, "entry", batch[0])
	}
}

// refusedForGood is whether the database refuses what it is given, rather than is
// unable to take anything: classes 22, data exceptions, and 23, violations of
// integrity, of SQLSTATE.
func refusedForGood(err error) bool {
	var refusal *pgconn.PgError
	return errors.As(err, &refusal) && (strings.HasPrefix(refusal.Code, "22") || strings.HasPrefix(refusal.Code, "23"))
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
