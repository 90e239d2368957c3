package budgetstore_test

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/parts/postgres"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestMigrateAnnounces: the migration of an existing ledger is announced before it begins. Nothing
// is announced for a new ledger, or for one that is up to date. A migration that was merged after
// others with higher numbers is run, too.
func TestMigrateAnnounces(t *testing.T) {
	server, err := postgres.Start(t.Context(), postgres.Options{})
	testkit.Must(t, err)
	defer func() { _ = server.Stop() }()
	dsn, err := server.NewDatabase(t.Context())
	testkit.Must(t, err)
	var told []int64
	migrate := func() {
		testkit.Must(t, budgetstore.Migrate(t.Context(), dsn, func(from, to int64) { told = append(told, from, to) }))
	}
	migrate()
	migrate()
	if len(told) != 0 {
		t.Fatalf("told of %d, where nothing is changed that was there", told)
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	testkit.Must(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	undo := func(version int64, sql string) (newest int64) {
		t.Helper()
		_, err := conn.Exec(t.Context(), sql)
		testkit.Must(t, err)
		_, err = conn.Exec(t.Context(), "DELETE FROM bursar_schema_versions WHERE version_id = $1", version)
		testkit.Must(t, err)
		testkit.Must(t, conn.QueryRow(t.Context(), "SELECT max(version_id) FROM bursar_schema_versions").Scan(&newest))
		return newest
	}
	// As in a database that was migrated before that one landed, and after others of higher numbers.
	newest := undo(42, "DROP TABLE console_sign_outs")
	migrate()
	if !slices.Equal(told, []int64{newest, newest}) {
		t.Errorf("told of %d, want %d", told, []int64{newest, newest})
	}
	var isThere bool
	testkit.Must(t, conn.QueryRow(t.Context(), "SELECT to_regclass('console_sign_outs') IS NOT NULL").Scan(&isThere))
	if !isThere {
		t.Error("a migration that landed after others is not run")
	}
}
