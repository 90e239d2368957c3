// Package postgresclient opens the pools of connections to Postgres that all of
// Bursar's programs use.
//
// Its errors never hold a password.
package postgresclient

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Open makes a pool of at most maxConns connections to the database at a URL such as
// "postgres://user:password@host:5432/bursar", or at a DSN of libpq's form. It does
// not connect yet. ctx bounds the opening of connections in the background.
func Open(ctx context.Context, raw string, maxConns int32) (*pgxpool.Pool, error) {
	options, err := pgxpool.ParseConfig(raw)
	if err != nil {
		return nil, fmt.Errorf("parse the Postgres URL: %w", err) // pgx leaves passwords out
	}
	options.MaxConns = maxConns
	return pgxpool.NewWithConfig(ctx, options)
}
