package recovery

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

const (
	// lostEvery is how often Postgres is asked for the epoch while Redis does not answer.
	lostEvery = 500 * time.Millisecond
	// bypassTimeout bounds one question, and postgresTimeout one announcement.
	bypassTimeout, postgresTimeout = 2 * time.Second, 10 * time.Second
)

// Database is the connection to Postgres, of a login that may record that a session lives and
// which calls it has open. *pgxpool.Pool is one.
type Database interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Begin(ctx context.Context) (pgx.Tx, error)
}

// Bypass connects a session with the manager that rebuilds the limiter by way of Postgres. If
// this process cannot reach Redis, the manager knows by the Bypass that it has to wait for the
// session's open calls, and the session hears that the manager waits.
type Bypass struct {
	db      Database
	session func() string
	// lost is whether Redis does not answer.
	lost func() bool
	// told is called with the numbers of the last epoch that has begun and of the last that was
	// opened.
	told func(begun, opened int64)
	// begun is closed when the session has begun. Until then, nothing may wait for it.
	begun <-chan struct{}
	log   *slog.Logger
	reach reach
	// writes is since when writing to the ledger fails, if it does.
	writes func() (since time.Time, failing bool)
}

// NewBypass makes a Bypass. writes is since when writing to the ledger fails, if it does. The caller
// must also start Run.
func NewBypass(
	db Database, session func() string, begun <-chan struct{}, lost func() bool, told func(begun, opened int64),
	writes func() (since time.Time, failing bool), log *slog.Logger,
) *Bypass {
	return &Bypass{db: db, session: session, begun: begun, lost: lost, told: told, writes: writes, log: log}
}

// Run records that the session lives, and reads the epochs, every limiterv1.Heartbeat, and more
// often while Redis does not answer, until ctx ends. Before the session has begun, it only
// checks whether Postgres lets this process in.
func (b *Bypass) Run(ctx context.Context) {
	tick := time.NewTicker(lostEvery)
	defer tick.Stop()
	var last time.Time
	var known bool
	for {
		begun := b.hasBegun()
		now := time.Now()
		switch isDue := now.Sub(last) >= limiterv1.Heartbeat; {
		case begun && (isDue || !known || b.lost()):
			last, known = now, true
			b.note(ctx, b.beat(ctx))
		case isDue:
			last = now
			b.note(ctx, b.knock(ctx))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (b *Bypass) hasBegun() bool {
	select {
	case <-b.begun:
		return true
	default:
		return false
	}
}

// knock checks that Postgres lets this process in, and that the login may read the schema.
func (b *Bypass) knock(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bypassTimeout)
	defer cancel()
	var begun int64
	return b.db.QueryRow(ctx, "SELECT begun FROM limiter_epoch").Scan(&begun)
}

// beat records that the session lives, and passes on the epochs that Postgres has.
func (b *Bypass) beat(ctx context.Context) error {
	const beat = `
WITH beat AS (
  INSERT INTO limiter_sessions (session) VALUES ($1) ON CONFLICT (session) DO UPDATE SET beat_at = clock_timestamp()
) SELECT begun, opened FROM limiter_epoch`
	ctx, cancel := context.WithTimeout(ctx, bypassTimeout)
	defer cancel()
	var begun, opened int64
	if err := b.db.QueryRow(ctx, beat, b.session()).Scan(&begun, &opened); err != nil {
		return err
	}
	b.told(begun, opened)
	return nil
}

// note logs when Postgres begins to fail, and when it answers again.
func (b *Bypass) note(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	switch wasFailing := b.reach.note(err, time.Now()); {
	case err != nil && !wasFailing:
		b.log.Error("failed to reach the ledger in Postgres; will retry", "trouble", troubleOf(err), "error", err)
	case err == nil && wasFailing:
		b.log.Info("the ledger in Postgres is within reach again")
	}
}

// Trouble is why the ledger cannot be written to; empty if it can. Postgres that was within reach
// before counts as unreachable only after patience, and so does Postgres that accepts no calls.
func (b *Bypass) Trouble() limiterv1.LedgerTrouble {
	now := time.Now()
	if trouble := b.reach.trouble(now); trouble != "" {
		return trouble
	}
	// A full disk may have room for the one row that says that the session lives.
	if since, failing := b.writes(); failing && now.Sub(since) >= patience && b.reach.isWithin() {
		return limiterv1.WritesFailing
	}
	return ""
}

// Ready is nil once Postgres has let this process in, even if it is lost again later; until then,
// Ready is why not.
func (b *Bypass) Ready() error { return b.reach.ready() }

// announceInPostgres announces the session's calls for an epoch in Postgres, all or none.
func (a *Announcer) announceInPostgres(ctx context.Context, epoch limiterv1.Epoch, session string, calls records) error {
	ctx, cancel := context.WithTimeout(ctx, postgresTimeout)
	defer cancel()
	err := pgx.BeginFunc(ctx, a.Database, func(tx pgx.Tx) error {
		if err := insertCalls(ctx, tx, epoch, session, calls); err != nil {
			return err
		}
		const announce = "INSERT INTO limiter_announcements (session, epoch) VALUES ($1, $2) ON CONFLICT DO NOTHING"
		_, err := tx.Exec(ctx, announce, session, epoch.Number)
		return err
	})
	if err != nil {
		return fmt.Errorf("announce in Postgres: %w", err)
	}
	return nil
}

// insertCalls inserts calls, page by page.
func insertCalls(ctx context.Context, tx pgx.Tx, epoch limiterv1.Epoch, session string, calls records) error {
	const insert = `
INSERT INTO limiter_announced_calls (session, epoch, shard, call_id, record)
SELECT $1, $2, call.* FROM unnest($3::integer[], $4::text[], $5::bytea[]) AS call ON CONFLICT DO NOTHING`
	var shards []int32
	var ids []string
	var bodies [][]byte
	flush := func() error {
		if len(ids) == 0 {
			return nil
		}
		_, err := tx.Exec(ctx, insert, session, epoch.Number, shards, ids, bodies)
		shards, ids, bodies = shards[:0], ids[:0], bodies[:0]
		return err
	}
	for shard, of := range calls {
		for id, record := range of {
			shards, ids, bodies = append(shards, int32(shard)), append(ids, id), append(bodies, record.Encode())
			if len(ids) == pageSize {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}

// Leave records that the session has no open calls, so that no rebuild waits for it.
func (b *Bypass) Leave(ctx context.Context) error {
	const leave = "UPDATE limiter_sessions SET has_left = true WHERE session = $1 RETURNING true"
	var left bool
	if err := b.db.QueryRow(ctx, leave, b.session()).Scan(&left); err != nil {
		return fmt.Errorf("leave in Postgres: %w", err)
	}
	return nil
}
