package history

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Database begins transactions, as *pgxpool.Pool does.
type Database interface {
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
}

// Reader reads the past.
type Reader struct {
	db Database
	// mostLookedAt is how many rows are looked at for one page of a list.
	mostLookedAt int
}

// NewReader makes a Reader of a login that is a member of bursar_reader or of
// bursar_manager.
func NewReader(db Database) *Reader { return &Reader{db: db, mostLookedAt: mostLookedAt} }

// forTenant lets a function read the rows of one tenant, of all its users.
func (r *Reader) forTenant(ctx context.Context, tenant string, read func(pgx.Tx) error) error {
	return r.read(ctx, As{Tenant: tenant, Admin: true}, read)
}

// read lets a function read the rows that somebody may read.
func (r *Reader) read(ctx context.Context, as As, read func(pgx.Tx) error) error {
	return r.readIn(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly}, as, read)
}

// readAtOnce is read with everything as it is at one moment.
func (r *Reader) readAtOnce(ctx context.Context, as As, read func(pgx.Tx) error) error {
	return r.readIn(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly, IsoLevel: pgx.RepeatableRead}, as, read)
}

func (r *Reader) readIn(ctx context.Context, options pgx.TxOptions, as As, read func(pgx.Tx) error) error {
	err := pgx.BeginTxFunc(ctx, r.db, options, func(tx pgx.Tx) error {
		if err := as.Tell(ctx, tx); err != nil {
			return err
		}
		return read(tx)
	})
	return explained(err)
}

// Tell tells the database for whom a transaction reads.
func (as As) Tell(ctx context.Context, tx pgx.Tx) error {
	// JIT compilation takes longer than any of these queries does.
	const say = "SELECT set_config('bursar.tenant_id', $1, true), set_config('bursar.user_id', $2, true), set_config('bursar.role', $3, true), set_config('jit', 'off', true)"
	role := ""
	if as.Admin {
		role = "admin"
	}
	_, err := tx.Exec(ctx, say, as.Tenant, as.User, role)
	return err
}

// explained adds to an error how to fix it.
func explained(err error) error {
	const undefinedTable, undefinedColumn, undefinedObject, insufficientPrivilege = "42P01", "42703", "42704", "42501"
	var failure *pgconn.PgError
	if !errors.As(err, &failure) {
		return err
	}
	switch failure.Code {
	case undefinedTable, undefinedColumn, undefinedObject:
		return fmt.Errorf("%w: the database schema is not that of this version: use the version of the manager, which migrates the database", err)
	case insufficientPrivilege:
		return fmt.Errorf("%w: the login must be a member of bursar_reader (GRANT bursar_reader TO it)", err)
	}
	return err
}
