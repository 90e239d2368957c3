package budgetstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Partitions are the months of the ledger, each a table of its own.
type Partitions struct{ pool *pgxpool.Pool }

// NewPartitions makes Partitions.
func NewPartitions(pool *pgxpool.Pool) *Partitions { return &Partitions{pool: pool} }

// Ensure makes the partitions of the ledger that are missing for this
// month and so many after it, and returns how many it made.
func (p *Partitions) Ensure(ctx context.Context, monthsAhead int) (made int, err error) {
	err = p.pool.QueryRow(ctx, "SELECT ensure_ledger_partitions($1)", monthsAhead).Scan(&made)
	if err != nil {
		return 0, fmt.Errorf("create partitions of the ledger: %w", err)
	}
	return made, nil
}

// LeastMonths is the least number of months before the present one that the ledger must
// keep: counters of a year are set from what was spent in it and in the year before.
const LeastMonths = 24

// Detach detaches the partitions of the ledger of months that are more than so
// many before the present one, and returns their names: they stay as tables.
func (p *Partitions) Detach(ctx context.Context, months int) (detached []string, err error) {
	err = p.pool.QueryRow(ctx, "SELECT detach_ledger_partitions($1)", months).Scan(&detached)
	if err != nil {
		return nil, fmt.Errorf("detach partitions of the ledger: %w", err)
	}
	return detached, nil
}
