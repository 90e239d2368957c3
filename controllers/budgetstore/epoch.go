package budgetstore

import (
	"context"
	"fmt"
)

// LastEpoch is the number of the newest epoch of the limiter; 0 before the first.
func (s *Store) LastEpoch(ctx context.Context) (number int64, err error) {
	if err := s.pool.QueryRow(ctx, "SELECT number FROM limiter_epoch").Scan(&number); err != nil {
		return 0, fmt.Errorf("read the number of the newest epoch: %w", err)
	}
	return number, nil
}

// NextEpoch is a number that no epoch has had and that is greater than seen. No two
// callers get the same.
func (s *Store) NextEpoch(ctx context.Context, seen int64) (number int64, err error) {
	const next = "UPDATE limiter_epoch SET number = greatest(number, $1) + 1, began_at = now() RETURNING number"
	if err := s.pool.QueryRow(ctx, next, seen).Scan(&number); err != nil {
		return 0, fmt.Errorf("take a number for an epoch: %w", err)
	}
	return number, nil
}
