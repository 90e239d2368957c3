package budgetstore

import (
	"context"
	"encoding/json"
	"fmt"
)

// Marks are the high-water marks of the data of Redis that were kept last, by shard.
func (e *Epochs) Marks(ctx context.Context) (marks map[uint32]int64, err error) {
	var raw []byte
	if err := e.pool.QueryRow(ctx, "SELECT marks FROM limiter_epoch").Scan(&raw); err != nil {
		return nil, fmt.Errorf("read the high-water marks: %w", err)
	}
	if err := json.Unmarshal(raw, &marks); err != nil {
		return nil, fmt.Errorf("read the high-water marks: %w", err)
	}
	return marks, nil
}

// KeepMarks keeps high-water marks. Those of other shards stay.
func (e *Epochs) KeepMarks(ctx context.Context, marks map[uint32]int64) error {
	raw, err := json.Marshal(marks)
	if err == nil {
		_, err = e.pool.Exec(ctx, "UPDATE limiter_epoch SET marks = marks || $1::jsonb", raw)
	}
	if err != nil {
		return fmt.Errorf("keep the high-water marks: %w", err)
	}
	return nil
}
