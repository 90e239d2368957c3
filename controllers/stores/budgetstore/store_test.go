package budgetstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/parts/postgres"
)

var server *postgres.Server

func TestMain(m *testing.M) {
	os.Exit(postgres.Use(func(s *postgres.Server) int {
		server = s
		return m.Run()
	}))
}

// newDatabase is an empty database's superuser DSN.
func newDatabase(t *testing.T) string {
	t.Helper()
	dsn, err := server.NewDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}

// migrated is the superuser's DSN of a database that has the schema.
func migrated(t *testing.T) string {
	t.Helper()
	dsn := newDatabase(t)
	if err := budgetstore.Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	return dsn
}

// poolAs are connections of a login that is a member of the role and no more.
func poolAs(t *testing.T, dsn, role string) *pgxpool.Pool {
	t.Helper()
	login, err := server.NewLogin(t.Context(), dsn, role)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.New(t.Context(), login)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// stores is all that a database has.
type stores struct {
	limits     *budgetstore.Limits
	grants     *budgetstore.Grants
	alerts     *budgetstore.Alerts
	ledger     *budgetstore.LedgerReader
	partitions *budgetstore.Partitions
}

func storesOn(pool *pgxpool.Pool) stores {
	return stores{budgetstore.NewLimits(pool), budgetstore.NewGrants(pool), budgetstore.NewAlerts(pool), budgetstore.NewLedgerReader(pool), budgetstore.NewPartitions(pool)}
}

func newStore(t *testing.T) (stores, *pgxpool.Pool) {
	t.Helper()
	pool := poolAs(t, migrated(t), "bursar_manager")
	return storesOn(pool), pool
}

// rows are the rows of a query, each in one string.
func rows(t *testing.T, conn interface {
	Query(context.Context, string, ...any) (pgx.Rows, error)
}, query string, args ...any) []string {
	t.Helper()
	found, err := conn.Query(t.Context(), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	lines, err := pgx.CollectRows(found, func(row pgx.CollectableRow) (string, error) {
		values, err := row.Values()
		return fmt.Sprint(values...), err
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return lines
}

func exec(t *testing.T, pool *pgxpool.Pool, statement string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// refused checks that a statement fails with the SQLSTATE.
func refused(t *testing.T, pool *pgxpool.Pool, code, statement string, args ...any) {
	t.Helper()
	_, err := pool.Exec(t.Context(), statement, args...)
	var failure *pgconn.PgError
	if !errors.As(err, &failure) || failure.Code != code {
		t.Errorf("%s: got %v, want SQLSTATE %s", statement, err, code)
	}
}

const insufficientPrivilege = "42501"

func limit(name string, kind period.Kind, amount money.Nanos) limiterv1.MoneyLimit {
	return limiterv1.MoneyLimit{Name: name, Per: limiterv1.PerTenant, Period: kind, Amount: amount}
}

func budget(uid string, generation int64, limits ...limiterv1.MoneyLimit) budgetstore.Budget {
	return budgetstore.Budget{
		Namespace: "acme", Name: "acme", UID: uid, Generation: generation,
		Level: limiterv1.Level{Tenant: "acme", TimeZone: "UTC", Money: limits},
	}
}

const openRows = `SELECT limit_name, ' ', amount_nanos, ' ', budget_uid, ' g', generation FROM budget_limits
WHERE tenant_id = 'acme' AND valid_to IS NULL ORDER BY limit_name`

const closedRows = `SELECT limit_name, ' ', amount_nanos, ' ', budget_uid, ' g', generation FROM budget_limits
WHERE tenant_id = 'acme' AND valid_to IS NOT NULL ORDER BY valid_to, limit_name`

const standing = `SELECT budget_uid, ' g', generation FROM tenants WHERE tenant_id = 'acme' AND withdrawn_at IS NULL`

func TestRecord(t *testing.T) {
	const five, six, hundred = 5 * money.USD, 6 * money.USD, 100 * money.USD
	for name, tc := range map[string]struct {
		steps                             []budgetstore.Budget
		wantOpen, wantClosed, wantTenants []string
	}{
		"first": {
			steps:       []budgetstore.Budget{budget("u1", 1, limit("daily", period.Day, five), limit("monthly", period.Month, hundred))},
			wantOpen:    []string{"daily 5000000000 u1 g1", "monthly 100000000000 u1 g1"},
			wantTenants: []string{"u1 g1"},
		},
		"again changes nothing": {
			steps: []budgetstore.Budget{
				budget("u1", 1, limit("daily", period.Day, five)),
				budget("u1", 1, limit("daily", period.Day, five)),
			},
			wantOpen:    []string{"daily 5000000000 u1 g1"},
			wantTenants: []string{"u1 g1"},
		},
		"a generation that leaves the limit alone leaves its row alone": {
			steps: []budgetstore.Budget{
				budget("u1", 1, limit("daily", period.Day, five)),
				budget("u1", 2, limit("daily", period.Day, five)),
			},
			wantOpen:    []string{"daily 5000000000 u1 g1"},
			wantTenants: []string{"u1 g2"},
		},
		"raised": {
			steps: []budgetstore.Budget{
				budget("u1", 1, limit("daily", period.Day, five), limit("monthly", period.Month, hundred)),
				budget("u1", 2, limit("daily", period.Day, six), limit("monthly", period.Month, hundred)),
			},
			wantOpen:    []string{"daily 6000000000 u1 g2", "monthly 100000000000 u1 g1"},
			wantClosed:  []string{"daily 5000000000 u1 g1"},
			wantTenants: []string{"u1 g2"},
		},
		"renamed": {
			steps: []budgetstore.Budget{
				budget("u1", 1, limit("daily", period.Day, five)),
				budget("u1", 2, limit("each-day", period.Day, five)),
			},
			wantOpen:    []string{"each-day 5000000000 u1 g2"},
			wantClosed:  []string{"daily 5000000000 u1 g1"},
			wantTenants: []string{"u1 g2"},
		},
		"taken over by another budget": {
			steps: []budgetstore.Budget{
				budget("u1", 4, limit("daily", period.Day, five)),
				budget("u2", 1, limit("daily", period.Day, five)),
			},
			wantOpen:    []string{"daily 5000000000 u2 g1"},
			wantClosed:  []string{"daily 5000000000 u1 g4"},
			wantTenants: []string{"u2 g1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			store, pool := newStore(t)
			for _, step := range tc.steps {
				if err := store.limits.Record(t.Context(), step); err != nil {
					t.Fatal(err)
				}
			}
			checkRows(t, pool, "open rows", openRows, tc.wantOpen)
			checkRows(t, pool, "closed rows", closedRows, tc.wantClosed)
			checkRows(t, pool, "tenants", standing, tc.wantTenants)
		})
	}
}

// TestRecordWhatLimitsCount: a limit that counts other calls, or trips elsewhere, is another.
func TestRecordWhatLimitsCount(t *testing.T) {
	store, pool := newStore(t)
	tripping := func(b budgetstore.Budget) budgetstore.Budget {
		b.Ladder = []limiterv1.Rung{{AtPercent: 90, Action: limiterv1.Trip}}
		return b
	}
	selecting := limit("daily", period.Day, money.USD)
	selecting.Tiers, selecting.Models = []string{"gerente", "empleado"}, []string{"gpt-4o"}
	for _, step := range []budgetstore.Budget{
		budget("u1", 1, limit("daily", period.Day, money.USD)), tripping(budget("u1", 2, limit("daily", period.Day, money.USD))),
		tripping(budget("u1", 3, selecting)), tripping(budget("u1", 4, selecting)),
	} {
		if err := store.limits.Record(t.Context(), step); err != nil {
			t.Fatal(err)
		}
	}
	checkRows(t, pool, "rows", `SELECT 'g', generation, ' ', tiers::text, models::text, ' ', trip_nanos FROM budget_limits
WHERE tenant_id = 'acme' ORDER BY generation`, []string{"g1 {}{} <nil>", "g2 {}{} 900000000", "g3 {gerente,empleado}{gpt-4o} 900000000"})
}

func checkRows(t *testing.T, pool *pgxpool.Pool, what, query string, want []string) {
	t.Helper()
	if diff := cmp.Diff(want, rows(t, pool, query), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestCloseClosesOnlyOnesOwnRows(t *testing.T) {
	store, pool := newStore(t)
	if err := store.limits.Record(t.Context(), budget("u1", 1, limit("daily", period.Day, money.USD))); err != nil {
		t.Fatal(err)
	}
	if err := store.limits.Close(t.Context(), "acme", "somebody-else"); err != nil {
		t.Fatal(err)
	}
	checkRows(t, pool, "open rows", openRows, []string{"daily 1000000000 u1 g1"})
	checkRows(t, pool, "tenants", standing, []string{"u1 g1"})

	if err := store.limits.Close(t.Context(), "acme", "u1"); err != nil {
		t.Fatal(err)
	}
	checkRows(t, pool, "open rows", openRows, nil)
	checkRows(t, pool, "closed rows", closedRows, []string{"daily 1000000000 u1 g1"})
	checkRows(t, pool, "tenants", standing, nil)

	if err := store.limits.Record(t.Context(), budget("u2", 1, limit("daily", period.Day, money.USD))); err != nil {
		t.Fatal(err)
	}
	checkRows(t, pool, "tenants after another budget came", standing, []string{"u2 g1"})
}

// TestMigrateTogether: many managers may come up at once.
func TestMigrateTogether(t *testing.T) {
	dsn := newDatabase(t)
	var together sync.WaitGroup
	errs := make(chan error, 4)
	for range cap(errs) {
		together.Go(func() { errs <- budgetstore.Migrate(t.Context(), dsn) })
	}
	together.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	files, err := filepath.Glob("migrations/*.sql") // sorted
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, file := range files {
		want = append(want, strings.TrimLeft(filepath.Base(file)[:5], "0"))
	}
	pool := connectTo(t, dsn)
	checkRows(t, pool, "migrations noted", "SELECT version_id FROM bursar_schema_versions WHERE version_id > 0", want)
}

// TestMigrateWithoutPrivileges: where an administrator has made the roles, the
// owner's login needs to be a member of bursar_owner and no more.
func TestMigrateWithoutPrivileges(t *testing.T) {
	migrated(t) // The roles belong to the server.
	dsn := newDatabase(t)
	exec(t, connectTo(t, dsn), "GRANT USAGE, CREATE ON SCHEMA public TO bursar_owner")
	login, err := server.NewLogin(t.Context(), dsn, "bursar_owner")
	if err != nil {
		t.Fatal(err)
	}
	if err := budgetstore.Migrate(t.Context(), login); err != nil {
		t.Fatal(err)
	}
	checkRows(t, connectTo(t, dsn), "owner of the ledger", "SELECT tableowner FROM pg_tables WHERE tablename = 'ai_usage_logs'",
		[]string{"bursar_owner"})
}

// TestMigrateAsDatabaseOwner: where there are no roles yet, it takes the owner of
// the database, with the right to make roles, and no superuser.
func TestMigrateAsDatabaseOwner(t *testing.T) {
	fresh, err := postgres.Start(t.Context(), postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := fresh.Stop(); err != nil {
			t.Error(err)
		}
	})
	admin := connectTo(t, fresh.URL)
	exec(t, admin, "CREATE ROLE landlord LOGIN CREATEROLE")
	exec(t, admin, "CREATE DATABASE bursar OWNER landlord")
	dsn := strings.Replace(strings.Replace(fresh.URL, "postgres@", "landlord@", 1), "/postgres?", "/bursar?", 1)
	for range 2 {
		if err := budgetstore.Migrate(t.Context(), dsn); err != nil {
			t.Fatal(err)
		}
	}
	landlord := connectTo(t, dsn)
	checkRows(t, landlord, "owner of the ledger", "SELECT tableowner FROM pg_tables WHERE tablename = 'ai_usage_logs'",
		[]string{"bursar_owner"})
	checkRows(t, landlord, "roles that can log in", "SELECT rolname FROM pg_roles WHERE rolname LIKE 'bursar%' AND rolcanlogin", nil)
}

func connectTo(t *testing.T, dsn string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}
