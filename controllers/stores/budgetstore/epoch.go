package budgetstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Epochs are the numbers of the epochs of the limiter: what is remembered outside Redis.
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
