package health

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/history"
)

// Health is what Postgres knows.
type Health struct{ db history.Database }

// New makes a Health of a login that is a member of bursar_reader and of bursar_console.
func New(db history.Database) *Health { return &Health{db} }

// Reading is what it knows at one moment.
type Reading struct {
	Sessions []Session
	Stores   Stores
	// Calls are how recent calls went, by provider, and All is that of all of them.
	Calls map[string]Calls
	All   Calls
	// SumsUntil is until when there are sums of each user, and SumsFrom from when on there are sums
	// at all; zero for from the beginning.
	SumsUntil, SumsFrom time.Time
}

// Session is one life of an enforcer that has not left.
type Session struct {
	ID     string
	Silent time.Duration
}

// Stores say how far the stores have come.
type Stores struct {
	// IsRebuilding is whether the limiter is being rebuilt.
	IsRebuilding bool
	// AuditedAt is when the counters were last compared with the ledger; nil for never.
	AuditedAt *time.Time
	// Audited is how many tenants were compared then, WithDrift how many of them had a counter that
	// differed, by Drift in all, and WithWrongSums how many had sums of usage that differed.
	Audited, WithDrift, WithWrongSums int
	Drift                             money.Nanos
	// Waiting is how many messages of alerts wait to be sent, OldestDue when the first of them is
	// due, and Abandoned how many were given up within a day.
	Waiting, Abandoned int64
	OldestDue          *time.Time
}

// Calls are how calls went. Times are in milliseconds, and nil if none is known.
type Calls struct {
	// Calls is how many there were, WithoutCost how many of them the provider did not bill, as
	// failed ones, and CutOff how many had an incomplete answer, or usage.
	Calls, WithoutCost, CutOff int64
	// Took is the time from the admission of complete calls to their end, and First that to their
	// first token.
	Took50, Took95, First50, First95 *float64
	// Lag is the time from their end until the ledger had them.
	Lag50, Lag95 *float64
	LastRecorded *time.Time
}

// Read reads what is known, of calls since a moment.
func (h *Health) Read(ctx context.Context, since time.Time) (*Reading, error) {
	r := &Reading{Calls: map[string]Calls{}}
	err := pgx.BeginTxFunc(ctx, h.db, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		for _, read := range []func(context.Context, pgx.Tx, *Reading) error{readSessions, readStores, readSums} {
			if err := read(ctx, tx, r); err != nil {
				return err
			}
		}
		return readCalls(ctx, tx, since, r)
	})
	return r, err
}

func readSessions(ctx context.Context, tx pgx.Tx, r *Reading) error {
	rows, _ := tx.Query(ctx, "SELECT session, silent_seconds FROM health_of_enforcers()") // ForEachRow has the error
	var id string
	var silent float64
	_, err := pgx.ForEachRow(rows, []any{&id, &silent}, func() error {
		r.Sessions = append(r.Sessions, Session{id, time.Duration(silent * float64(time.Second))})
		return nil
	})
	return err
}

func readStores(ctx context.Context, tx pgx.Tx, r *Reading) error {
	const stores = `
SELECT is_rebuilding, audited_at, coalesce(audited, 0), coalesce(tenants_with_drift, 0), coalesce(drift_nanos, 0), coalesce(tenants_with_wrong_sums, 0),
       deliveries_waiting, oldest_due, deliveries_abandoned FROM health_of_stores()`
	s := &r.Stores
	return tx.QueryRow(ctx, stores).Scan(&s.IsRebuilding, &s.AuditedAt, &s.Audited, &s.WithDrift, &s.Drift, &s.WithWrongSums, &s.Waiting, &s.OldestDue, &s.Abandoned)
}

func readSums(ctx context.Context, tx pgx.Tx, r *Reading) error {
	var from *time.Time
	err := tx.QueryRow(ctx, "SELECT users_until, health_of_sums() FROM usage_progress").Scan(&r.SumsUntil, &from)
	if from != nil {
		r.SumsFrom = *from
	}
	return err
}

func readCalls(ctx context.Context, tx pgx.Tx, since time.Time, r *Reading) error {
	const calls = `
SELECT of_provider, calls, without_cost, cut_off, took_p50, took_p95, first_p50, first_p95, lag_p50, lag_p95, last_recorded_at FROM health_of_calls($1)`
	rows, _ := tx.Query(ctx, calls, since) // ForEachRow has the error
	var provider *string
	var c Calls
	_, err := pgx.ForEachRow(rows, []any{
		&provider, &c.Calls, &c.WithoutCost, &c.CutOff, &c.Took50, &c.Took95, &c.First50, &c.First95, &c.Lag50, &c.Lag95, &c.LastRecorded,
	}, func() error {
		if provider == nil {
			r.All = c
		} else {
			r.Calls[*provider] = c
		}
		c = Calls{}
		return nil
	})
	return err
}
