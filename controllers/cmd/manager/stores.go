package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

func connectDatabase(ctx context.Context, raw string) (*pgxpool.Pool, error) {
	options, err := pgxpool.ParseConfig(raw)
	if err != nil {
		return nil, fmt.Errorf("the URL of Postgres: %w", err) // pgx leaves passwords out
	}
	options.MaxConns = 8 // as many as budgets are reconciled at once, and some for probes
	return pgxpool.NewWithConfig(ctx, options)
}
