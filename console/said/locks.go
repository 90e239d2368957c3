package said

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/bursar-dev/bursar/history"
)

// Locks are locks that all consoles with the same database share.
type Locks struct{ db history.Database }

// NewLocks makes Locks of any login.
func NewLocks(db history.Database) *Locks { return &Locks{db} }

// Hold waits for the lock of a name, and does something while it holds the lock. It fails as do
// does, or if it cannot get the lock.
func (l *Locks) Hold(ctx context.Context, name string, do func(ctx context.Context) error) error {
	var failed error
	err := pgx.BeginTxFunc(ctx, l.db, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended('bursar ' || $1, 0))", name); err != nil {
			return err
		}
		failed = do(ctx)
		return nil
	})
	if failed != nil {
		return failed
	}
	if err != nil {
		return fmt.Errorf("hold the lock %s: %w", name, err)
	}
	return nil
}
