package budgetstore_test

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/parts/postgres"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestMigrateAnnounces: who migrates a ledger that is there hears of it before; of a new one, and of
// one that is as it should be, nobody hears.
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
	var newest int64
	testkit.Must(t, conn.QueryRow(t.Context(), "DELETE FROM bursar_schema_versions WHERE version_id = (SELECT max(version_id) FROM bursar_schema_versions) RETURNING version_id").Scan(&newest))
	var before int64
	testkit.Must(t, conn.QueryRow(t.Context(), "SELECT max(version_id) FROM bursar_schema_versions").Scan(&before))
	// The last migration fails then, because what it makes is there; it was told before.
	_ = budgetstore.Migrate(t.Context(), dsn, func(from, to int64) { told = append(told, from, to) })
	if !slices.Equal(told, []int64{before, newest}) {
		t.Errorf("told of %d, want %d", told, []int64{before, newest})
	}
}
