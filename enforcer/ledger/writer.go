package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/enforcer/retry"
)

const (
	// linger is how long the first entry of a batch waits for others.
	linger = 15 * time.Millisecond
	// maxWaiting is how many entries wait in memory for Postgres, at most. An entry
	// takes less than a kilobyte, so that this is less than two hundred megabytes.
	// Entries beyond it stay in Redis alone, and are read back from there once
	// Postgres takes them.
	maxWaiting = 200_000
	// readBackEvery is how often the Writer checks whether there are entries to read back.
	readBackEvery = time.Second
)

// Outbox keeps settled calls until the ledger has them.
type Outbox interface {
	// Forget drops calls that the ledger has, of the budget tree with the root.
	Forget(ctx context.Context, root string, callIDs []string) error
	// Settled calls take with the entries of the settled calls that it keeps, in batches and
	// in no order, some perhaps twice, until there are no more or take fails.
	Settled(ctx context.Context, take func(entries [][]byte) error) error
	// Recount has the control plane count the money counters of tenants of a budget tree
	// anew, from the ledger and the calls that are on their way there.
	Recount(ctx context.Context, root string, tenants []string) error
}

// Writer writes entries to the ledger, in the order in which they were added.
type Writer struct {
	db    Database
	store Outbox
	log   *slog.Logger
	limit int

	waiting *queue[ledgerv1.Entry]
	// written are the calls that Redis may forget.
	written *queue[recorded]
	// recounts are still to be requested, because the first request failed.
	recounts *queue[recount]
	// refused counts the entries that the database will never take, and left those for
	// which there was no room in memory. Both stay in Redis; missing is how many of the
	// latter are still to be read back.
	refused, left, missing atomic.Int64
	// lost counts the entries that Redis did not have any more when they were read back.
	lost atomic.Int64
	// failures count the attempts to write that failed.
	failures atomic.Int64
	// failingSince is when writing began to fail, in nanoseconds; 0 while it does not.
	failingSince atomic.Int64
	late         Late
}

// NewWriter makes a Writer. The caller must also start Run.
func NewWriter(db Database, store Outbox, log *slog.Logger) *Writer {
	return &Writer{
		db: db, store: store, log: log, limit: maxWaiting,
		waiting: newQueue[ledgerv1.Entry](), written: newQueue[recorded](), recounts: newQueue[recount](),
	}
}

// Add queues a settled call for the ledger. It returns at once.
func (w *Writer) Add(e ledgerv1.Entry) {
	if w.waiting.add(w.limit, e) {
		return
	}
	w.missing.Add(1)
	if n := w.left.Add(1); n == 1 || n%1000 == 0 {
		w.log.Error("the ledger's queue is full: settled calls stay in Redis until it has room",
			"calls", n, "waiting", w.Waiting(), "call", e.CallID)
	}
}

// Waiting is how many entries wait to be written.
func (w *Writer) Waiting() int { return w.waiting.len() }

// Oldest is the entry that has waited longest to be written; false when none waits.
func (w *Writer) Oldest() (oldest ledgerv1.Entry, ok bool) {
	first := w.waiting.first(1)
	if len(first) == 0 {
		return ledgerv1.Entry{}, false
	}
	return first[0], true
}

// Failures is how many attempts to write failed.
func (w *Writer) Failures() int64 { return w.failures.Load() }

// FailingSince is when writing began to fail, if it has failed ever since.
func (w *Writer) FailingSince() (since time.Time, failing bool) {
	at := w.failingSince.Load()
	return time.Unix(0, at), at != 0
}

// noteWrite notes how an attempt to write has ended.
func (w *Writer) noteWrite(err error) {
	if err == nil {
		w.failingSince.Store(0)
		return
	}
	w.failures.Add(1)
	w.failingSince.CompareAndSwap(0, time.Now().UnixNano())
}

// Refused is how many entries the database refused for good.
func (w *Writer) Refused() int64 { return w.refused.Load() }

// Missing is how many entries wait in Redis alone.
func (w *Writer) Missing() int64 { return w.missing.Load() }

// Lost is how many entries for which there was no room in memory were lost with Redis.
func (w *Writer) Lost() int64 { return w.lost.Load() }

// Left is how many entries found no room in memory.
func (w *Writer) Left() int64 { return w.left.Load() }

// Run writes until ctx ends. What is not written by then stays in Redis.
func (w *Writer) Run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { consume(ctx, w.waiting, linger, 0, w.write) })
	all.Go(func() { consume(ctx, w.written, 0, 0, w.forget) })
	all.Go(func() { consume(ctx, w.recounts, 0, 0, w.recountAll) })
	all.Go(func() { w.readBack(ctx) })
	all.Wait()
}

// readBack writes the entries that stayed in Redis alone to the ledger, whenever there are
// some and the queue in memory is empty, until ctx ends.
func (w *Writer) readBack(ctx context.Context) {
	for ; ctx.Err() == nil; pause(ctx, readBackEvery) {
		missing := w.missing.Load()
		if missing == 0 || w.Waiting() > 0 {
			continue
		}
		begin := time.Now()
		found, err := w.ReadBack(ctx)
		if err != nil {
			w.log.Error("failed to read settled calls back from Redis; will retry", "calls", missing, "error", err)
			continue
		}
		w.missing.Add(-missing) // each was settled before it was missed
		if found < missing {
			w.lost.Add(missing - found)
			w.log.Error("settled calls that were only in Redis were lost with it: they are in no ledger", "calls", missing-found)
		}
		w.log.Info("settled calls that were only in Redis are in the ledger now", "calls", min(found, missing), "took", time.Since(begin).String())
	}
}

// ReadBack writes all settled calls that Redis has to the ledger, and returns how many it
// found.
func (w *Writer) ReadBack(ctx context.Context) (found int64, err error) {
	err = w.store.Settled(ctx, func(encoded [][]byte) error {
		found += int64(len(encoded))
		return w.takeBack(ctx, encoded)
	})
	return found, err
}

// takeBack writes entries that Redis has. Some may wait in memory, too, or be written
// by now: that changes nothing.
func (w *Writer) takeBack(ctx context.Context, encoded [][]byte) error {
	var entries []ledgerv1.Entry
	for _, one := range encoded {
		e, err := ledgerv1.Decode(one)
		if err != nil {
			w.log.Error("failed to decode a settled call; leaving it in Redis", "error", err)
			continue
		}
		entries = append(entries, e)
	}
	written, err := w.Write(ctx, entries)
	w.written.add(math.MaxInt, recordedOf(written)...)
	if err == nil {
		w.refused.Add(int64(len(entries) - len(written)))
	}
	return err
}

// Write writes entries at once, and returns those that the ledger has now. Those
// that the database rejects permanently are logged and left out. After an
// error it may have some; writing them again changes nothing.
func (w *Writer) Write(ctx context.Context, entries []ledgerv1.Entry) (written []ledgerv1.Entry, err error) {
	return w.writeFew(ctx, entries, w.recountSoon)
}

// WriteAdopted writes entries of a dead session's calls, as Write does. It also fails if the
// ledger had another end of some of them and the recount of their tenants could not be requested:
// until it is, Redis must keep the calls that it has charged.
func (w *Writer) WriteAdopted(ctx context.Context, entries []ledgerv1.Entry) (written []ledgerv1.Entry, err error) {
	return w.writeFew(ctx, entries, w.recountNow)
}

func (w *Writer) writeFew(
	ctx context.Context, entries []ledgerv1.Entry, recount func(context.Context, []ledgerv1.Entry) error,
) (written []ledgerv1.Entry, err error) {
	for batch := range slices.Chunk(entries, fewSize) {
		rejected, differing, err := w.enter(ctx, batch)
		if err == nil {
			err = recount(ctx, differing)
		}
		if err != nil {
			return written, err
		}
		w.logRejected(rejected)
		written = append(written, without(batch, rejected)...)
	}
	return written, nil
}

// logRejected logs calls that the database will never accept.
func (w *Writer) logRejected(rejected []rejection[ledgerv1.Entry]) {
	for _, r := range rejected {
		w.log.Error("the ledger rejected a settled call; leaving it in Redis", "error", r.err, "entry", r.row)
	}
}

// without are the calls of a batch that were not rejected.
func without(batch []ledgerv1.Entry, rejected []rejection[ledgerv1.Entry]) []ledgerv1.Entry {
	if len(rejected) == 0 {
		return batch
	}
	return slices.DeleteFunc(slices.Clone(batch), func(e ledgerv1.Entry) bool {
		return slices.ContainsFunc(rejected, func(r rejection[ledgerv1.Entry]) bool { return r.row.CallID == e.CallID })
	})
}

// Flush waits until everything that was added is written, and forgotten in Redis. After
// an error, or with entries that the database rejected, the session must not be removed from
// Redis: another enforcer has to find what is left there.
func (w *Writer) Flush(ctx context.Context) error {
	if err := emptied(ctx, w.nothingLeft); err != nil {
		return fmt.Errorf("%d calls are not in the ledger, %d of them only in Redis; %d that are in it were not removed from Redis; %d budget trees were not recounted: %w",
			int64(w.waiting.len())+w.missing.Load(), w.missing.Load(), w.written.len(), w.recounts.len(), err)
	}
	return nil
}

func (w *Writer) nothingLeft() bool {
	return w.missing.Load() == 0 && w.waiting.len() == 0 && w.written.len() == 0 && w.recounts.len() == 0
}

// Unwritten are the entries that wait in memory to be written. Some may be written by now.
func (w *Writer) Unwritten() []ledgerv1.Entry { return w.waiting.first(math.MaxInt) }

// write writes a batch, except the rows that are rejected for good, and retries until that succeeds. A
// batch that takes too long is written in parts: otherwise a slow database would never get any of it.
func (w *Writer) write(ctx context.Context, batch []ledgerv1.Entry) {
	for size := len(batch); len(batch) > 0; {
		var part []ledgerv1.Entry
		var rejected []rejection[ledgerv1.Entry]
		var differing []ledgerv1.Entry
		err := w.try(ctx, "write to the ledger", func(ctx context.Context) (err error) {
			part = batch[:min(size, len(batch))]
			rejected, differing, err = w.enter(ctx, part)
			if errors.Is(err, context.DeadlineExceeded) {
				size = max(1, len(part)/2)
			}
			if ctx.Err() == nil || err == nil {
				w.noteWrite(err)
			}
			return err
		})
		if err != nil {
			return // ctx has ended
		}
		_ = w.recountSoon(ctx, differing) // never fails
		w.logRejected(rejected)
		w.refused.Add(int64(len(rejected)))
		w.written.add(math.MaxInt, recordedOf(without(part, rejected))...) // which is bounded by what waited
		batch = batch[len(part):]
	}
}

// recorded is a call that the ledger has, with the root of its budget tree.
type recorded struct{ root, callID string }

func recordedOf(entries []ledgerv1.Entry) []recorded {
	calls := make([]recorded, len(entries))
	for i := range entries {
		calls[i] = recorded{entries[i].Root, entries[i].CallID}
	}
	return calls
}

// forget drops calls from Redis that the ledger has.
func (w *Writer) forget(ctx context.Context, batch []recorded) {
	ids := map[string][]string{}
	for _, c := range batch {
		ids[c.root] = append(ids[c.root], c.callID)
	}
	for root, ids := range ids {
		_ = w.try(ctx, "remove recorded calls from Redis", func(ctx context.Context) error { // fails with ctx alone
			return w.store.Forget(ctx, root, ids)
		})
	}
}

func (w *Writer) try(ctx context.Context, what string, do func(context.Context) error) error {
	return retry.Until(ctx, do, func(err error, pause time.Duration) {
		w.log.Error("failed to "+what+"; will retry", "error", err, "waiting", w.Waiting(), "after", pause.String())
	})
}
