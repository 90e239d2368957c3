package budgetstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/bursar-dev/bursar/api/postgresclient"
)

//go:embed bootstrap.sql
var bootstrap string

//go:embed migrations/*.sql
var migrations embed.FS

// owner is the role that owns every table.
const owner = "bursar_owner"

// versionsTable is where the migrations that were run are noted.
const versionsTable = "bursar_schema_versions"

// lockTries is how often Migrate tries to get the lock, a second apart, before it gives up.
const lockTries = 60

// Migrate brings the schema up to this program's version. Several may try at once: an advisory
// lock lets one at a time through, and the others find nothing to do.
//
// The login of the DSN must be able to become bursar_owner or, where the roles are not there
// yet, to create them. Before Migrate changes an existing schema, which cannot be undone, it
// calls announce with the version from which and the version to which it migrates.
func Migrate(ctx context.Context, ownerDSN string, announce ...func(from, to int64)) error {
	config, err := postgresclient.Parse(ownerDSN)
	if err != nil {
		return fmt.Errorf("owner's database URL: %w", err)
	}
	if err := prepare(ctx, config.Copy()); err != nil {
		return fmt.Errorf("prepare the database: %w", err)
	}
	config.RuntimeParams["role"] = owner
	db := stdlib.OpenDB(*config)
	if err := errors.Join(up(ctx, db, announce), db.Close()); err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	return nil
}

// prepare does what takes more rights than bursar_owner has.
func prepare(ctx context.Context, config *pgx.ConnConfig) error {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, bootstrap)
	return errors.Join(err, conn.Close(ctx))
}

func up(ctx context.Context, db *sql.DB, announce []func(from, to int64)) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, lockTries))
	if err != nil {
		return err
	}
	// Of two migrations that were written at the same time, the one with the lower number may be
	// merged after somebody has run the other. It is run then, too: each stands by itself.
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithAllowOutofOrder(true),
		goose.WithTableName(versionsTable), goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	from, to, err := provider.GetVersions(ctx)
	if err != nil {
		return err
	}
	pending, err := provider.HasPending(ctx)
	if err != nil {
		return err
	}
	if from > 0 && pending {
		for _, tell := range announce {
			tell(from, to)
		}
	}
	_, err = provider.Up(ctx)
	return err
}
