package ledger

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/enforcer/retry"
)

const (
	// maxRefusals is how many refusals wait in memory, at most. One takes less than a
	// kilobyte, so that this is less than ten megabytes.
	maxRefusals = 10_000
	// refusalsEvery is the pause between two batches: at most 2,000 refusals a second are
	// written, so that Postgres has room for the ledger.
	refusalsEvery = 250 * time.Millisecond
)

// RefusalWriter puts refusals on record. They move no money, so it may leave some out, and
// counts these: refusals can come very fast, and nothing else may suffer from that.
type RefusalWriter struct {
	db  Database
	log *slog.Logger

	waiting           *queue[ledgerv1.Refusal]
	recorded, leftOut atomic.Int64
}

// NewRefusalWriter makes a RefusalWriter. The caller must also start Run.
func NewRefusalWriter(db Database, log *slog.Logger) *RefusalWriter {
	return &RefusalWriter{db: db, log: log, waiting: newQueue[ledgerv1.Refusal]()}
}

// Add puts a refusal on record, if there is room. It returns at once.
func (r *RefusalWriter) Add(refusal ledgerv1.Refusal) {
	if !r.waiting.add(maxRefusals, refusal) {
		r.leftOut.Add(1)
	}
}

// LeftOut is how many refusals were left out.
func (r *RefusalWriter) LeftOut() int64 { return r.leftOut.Load() }

// Recorded is how many refusals are on record.
func (r *RefusalWriter) Recorded() int64 { return r.recorded.Load() }

// Run writes until ctx ends.
func (r *RefusalWriter) Run(ctx context.Context) {
	consume(ctx, r.waiting, linger, refusalsEvery, r.write)
}

func (r *RefusalWriter) write(ctx context.Context, batch []ledgerv1.Refusal) {
	var rejected []rejection[ledgerv1.Refusal]
	err := retry.Until(ctx, func(ctx context.Context) (err error) {
		_, rejected, err = refusals.insert(ctx, r.db, batch)
		return err
	}, func(err error, pause time.Duration) {
		r.log.Warn("failed to record refusals; will retry", "error", err, "after", pause.String())
	})
	if err != nil {
		return // ctx has ended
	}
	for _, bad := range rejected {
		r.leftOut.Add(1)
		r.log.Error("failed to record a refusal", "error", bad.err, "call", bad.row.CallID)
	}
	r.recorded.Add(int64(len(batch) - len(rejected)))
}

// Flush waits until everything that was added is on record.
func (r *RefusalWriter) Flush(ctx context.Context) error {
	return emptied(ctx, func() bool { return r.waiting.len() == 0 })
}
