// Package said writes to Postgres what people say in the console, on their behalf.
//
// It writes as a member of bursar_console, and tells the database in each transaction on whose
// behalf. The database lets it add rows of few kinds, for this tenant and user, and nothing
// else.
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

// Write writes on behalf of a person, all or nothing. It fails as do does, or with
// ErrReadOnly.
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
