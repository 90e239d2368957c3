package main

import (
	"cmp"
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/bursar-dev/bursar/api/dsn"
	"github.com/bursar-dev/bursar/api/postgresclient"
	"github.com/bursar-dev/bursar/history"
)

// databaseVariable is the environment variable with the URL, which may hold a password.
const databaseVariable = "BURSAR_DATABASE_URL"

// database is where the ledger is.
type database struct{ url string }

func (d *database) addFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&d.url, "database-url", "",
		"Postgres URL of a member of bursar_reader (report -A: of bursar_finance), without a password; with one, use "+databaseVariable)
}

// isNamed reports whether the flag or the variable names a ledger.
func (d *database) isNamed() bool { return d.url != "" || os.Getenv(databaseVariable) != "" }

// open opens the ledger for reading.
func (d *database) open(ctx context.Context) (reader *history.Reader, closeIt func(), err error) {
	if dsn.HasPassword(d.url) {
		return nil, nil, usageError{errors.New("--database-url contains a password, which every user of the machine can read: use " + databaseVariable)}
	}
	raw := cmp.Or(d.url, os.Getenv(databaseVariable))
	if raw == "" {
		return nil, nil, usageError{errors.New("no ledger: set " + databaseVariable + ` to the Postgres URL of a member of bursar_reader (report -A: of bursar_finance), such as "postgres://user:password@host:5432/bursar?sslmode=verify-full"`)}
	}
	pool, err := postgresclient.Open(ctx, raw, 2)
	if err != nil {
		return nil, nil, err
	}
	return history.NewReader(pool), pool.Close, nil
}
