package budgetstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// forgetSessions is how long sessions are remembered after they were last heard.
const forgetSessions = 24 * time.Hour

// Begin notes that an epoch is being rebuilt: sessions that cannot reach Redis are to
// announce their calls here.
func (e *Epochs) Begin(ctx context.Context, number int64) error {
	const begin = "UPDATE limiter_epoch SET begun = greatest(begun, $1)"
	if _, err := e.pool.Exec(ctx, begin, number); err != nil {
		return fmt.Errorf("record that epoch %d has begun: %w", number, err)
	}
	return nil
}

// Sessions are the sessions of enforcers that Postgres has heard within a time, each
// with how long it has been silent since; and those that have left within that time.
func (e *Epochs) Sessions(ctx context.Context, within time.Duration) (live map[string]time.Duration, left []string, err error) {
	const heard = `
SELECT session, clock_timestamp() - beat_at, has_left FROM limiter_sessions WHERE beat_at > clock_timestamp() - $1::interval`
	rows, _ := e.pool.Query(ctx, heard, within) // ForEachRow has the error
	var session string
	var silent time.Duration
	var hasLeft bool
	live = map[string]time.Duration{}
	if _, err := pgx.ForEachRow(rows, []any{&session, &silent, &hasLeft}, func() error {
		if hasLeft {
			left = append(left, session)
		} else {
			live[session] = silent
		}
		return nil
	}); err != nil {
		return nil, nil, fmt.Errorf("read which sessions live: %w", err)
	}
	return live, left, nil
}

// Left are the sessions that have left within the last day: all that they had is in the
// ledger.
func (e *Epochs) Left(ctx context.Context) (map[string]bool, error) {
	const left = "SELECT session FROM limiter_sessions WHERE has_left AND beat_at > clock_timestamp() - $1::interval"
	rows, _ := e.pool.Query(ctx, left, forgetSessions) // ForEachRow has the error
	sessions := map[string]bool{}
	var session string
	if _, err := pgx.ForEachRow(rows, []any{&session}, func() error {
		sessions[session] = true
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read which sessions have left: %w", err)
	}
	return sessions, nil
}

// Announced are the sessions that have announced here for an epoch.
func (e *Epochs) Announced(ctx context.Context, number int64) ([]string, error) {
	rows, _ := e.pool.Query(ctx, "SELECT session FROM limiter_announcements WHERE epoch = $1", number) // CollectRows has the error
	sessions, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("read which sessions have announced in Postgres: %w", err)
	}
	return sessions, nil
}

// AnnouncedCalls gives take the calls that a session has announced for an epoch: shard,
// id, and record as it is to stand in Redis.
func (e *Epochs) AnnouncedCalls(
	ctx context.Context, number int64, session string, take func(shard uint32, id string, record []byte),
) error {
	const calls = "SELECT shard, call_id, record FROM limiter_announced_calls WHERE session = $1 AND epoch = $2"
	rows, _ := e.pool.Query(ctx, calls, session, number) // ForEachRow has the error
	var shard uint32
	var id string
	var record []byte
	if _, err := pgx.ForEachRow(rows, []any{&shard, &id, &record}, func() error {
		take(shard, id, append([]byte(nil), record...))
		return nil
	}); err != nil {
		return fmt.Errorf("read what session %s has announced in Postgres: %w", session, err)
	}
	return nil
}

// ForgetBefore drops what was announced for epochs before one, and sessions that have
// long been silent.
func (e *Epochs) ForgetBefore(ctx context.Context, number int64) error {
	for _, table := range []string{"limiter_announced_calls", "limiter_announcements"} {
		if _, err := e.pool.Exec(ctx, "DELETE FROM "+table+" WHERE epoch < $1", number); err != nil {
			return fmt.Errorf("drop old announcements: %w", err)
		}
	}
	if _, err := e.pool.Exec(ctx, "DELETE FROM limiter_sessions WHERE beat_at < now() - $1::interval", forgetSessions); err != nil {
		return fmt.Errorf("drop old sessions: %w", err)
	}
	return nil
}
