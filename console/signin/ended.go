package signin

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Ended are the sessions that were ended before their time. All consoles share them.
type Ended interface {
	// End ends a session that would have lasted until a moment.
	End(ctx context.Context, id string, until time.Time) error
	// IsEnded reports whether a session was ended.
	IsEnded(ctx context.Context, id string) (bool, error)
}

// Database is the part of a pool that is used.
type Database interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// endedInPostgres keeps them in the table console_sign_outs for as long as they would have
// lasted.
type endedInPostgres struct {
	db     Database
	log    *slog.Logger
	barred sync.Once
}

// EndedIn keeps ended sessions in Postgres, by a login that is a member of bursar_console.
func EndedIn(db Database, log *slog.Logger) Ended { return &endedInPostgres{db: db, log: log} }

// End records the session, and forgets sessions that would be over by now.
func (e *endedInPostgres) End(ctx context.Context, id string, until time.Time) error {
	if _, err := e.db.Exec(ctx, `DELETE FROM console_sign_outs WHERE session_until < now()`); err != nil {
		return e.unless(err)
	}
	_, err := e.db.Exec(ctx, `INSERT INTO console_sign_outs (session_id, session_until) VALUES ($1, $2) ON CONFLICT DO NOTHING`, id, until)
	return e.unless(err)
}

// IsEnded looks a session up.
func (e *endedInPostgres) IsEnded(ctx context.Context, id string) (isEnded bool, err error) {
	err = e.db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM console_sign_outs WHERE session_id = $1)`, id).Scan(&isEnded)
	return isEnded, e.unless(err)
}

// unless returns an error, or nil if the error is that the table does not exist, or not for
// this login: then a sign-out counts in its browser alone.
func (e *endedInPostgres) unless(err error) error {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != "42501" && refused.Code != "42P01" {
		return err
	}
	e.barred.Do(func() {
		e.log.Warn("Sign-outs take effect only in the browser that signs out: grant bursar_console to the login in BURSAR_DATABASE_URL, or let the manager migrate the database", "error", err)
	})
	return nil
}
