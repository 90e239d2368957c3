// Package said writes to Postgres what people say in the console, for whoever says it.
//
// It writes as a member of bursar_console, and says in each transaction for whom: the database
// lets it add rows of few kinds, for this tenant and user, and nothing else.
package said

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bursar-dev/bursar/history"
)

// ErrReadOnly means that the login may not write.
var ErrReadOnly = errors.New("the login must be a member of bursar_console (GRANT bursar_console TO it)")

// Write writes for somebody, all or nothing. It fails as do does, or with ErrReadOnly.
func Write(ctx context.Context, db history.Database, as history.As, do func(pgx.Tx) error) error {
	err := pgx.BeginTxFunc(ctx, db, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if err := as.Tell(ctx, tx); err != nil {
			return err
		}
		return do(tx)
	})
	const insufficientPrivilege = "42501"
	var failure *pgconn.PgError
	if errors.As(err, &failure) && failure.Code == insufficientPrivilege {
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	return err
}
