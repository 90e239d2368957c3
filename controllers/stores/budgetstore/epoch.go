package budgetstore

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Epochs is what Postgres remembers of the epochs of the limiter: their numbers, the
// high-water marks, and which sessions live and have announced for an epoch here.
type Epochs struct{ pool *pgxpool.Pool }

// NewEpochs makes Epochs.
func NewEpochs(pool *pgxpool.Pool) *Epochs { return &Epochs{pool: pool} }

// Last is the number of the newest epoch of the limiter that became valid, or was
// about to be; 0 before the first.
func (e *Epochs) Last(ctx context.Context) (number int64, err error) {
	if err := e.pool.QueryRow(ctx, "SELECT opened FROM limiter_epoch").Scan(&number); err != nil {
		return 0, fmt.Errorf("read the number of the newest epoch: %w", err)
	}
	return number, nil
}

// Next is a number that no epoch has had and that is greater than seen. No two
// callers get the same.
func (e *Epochs) Next(ctx context.Context, seen int64) (number int64, err error) {
	const next = "UPDATE limiter_epoch SET taken = greatest(taken, $1) + 1 RETURNING taken"
	if err := e.pool.QueryRow(ctx, next, seen).Scan(&number); err != nil {
		return 0, fmt.Errorf("take a number for an epoch: %w", err)
	}
	return number, nil
}

// Complete notes that an epoch is about to become valid: from then on no older one is
// believed.
func (e *Epochs) Complete(ctx context.Context, number int64) error {
	const complete = "UPDATE limiter_epoch SET opened = greatest(opened, $1)"
	if _, err := e.pool.Exec(ctx, complete, number); err != nil {
		return fmt.Errorf("record epoch %d: %w", number, err)
	}
	return nil
}

// turnLasts is how long a turn to rebuild lasts unless its manager keeps or ends it.
const turnLasts = 10 * time.Second

// Turn decides which manager may rebuild the limiter, by the clock of Postgres.
type Turn struct {
	pool *pgxpool.Pool
	name string
}

// NewTurn makes a Turn for one manager.
func NewTurn(pool *pgxpool.Pool) *Turn { return &Turn{pool: pool, name: uuid.NewString()} }

// Take takes the turn, or keeps it, unless another manager has it, and reports whether
// this one has it now.
func (t *Turn) Take(ctx context.Context) (taken bool, err error) {
	const take = `UPDATE limiter_epoch SET rebuilder = $1, rebuilder_until = now() + $2
WHERE rebuilder = $1 OR rebuilder_until <= now()`
	tag, err := t.pool.Exec(ctx, take, t.name, turnLasts)
	if err != nil {
		return false, fmt.Errorf("take the turn to rebuild the limiter: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// End lets another manager have the turn at once.
func (t *Turn) End(ctx context.Context) error {
	const end = "UPDATE limiter_epoch SET rebuilder_until = now() WHERE rebuilder = $1"
	if _, err := t.pool.Exec(ctx, end, t.name); err != nil {
		return fmt.Errorf("end the turn to rebuild the limiter: %w", err)
	}
	return nil
}
