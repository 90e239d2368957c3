package budgetstore_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

// insertCalls is how enforcers write: many rows at once, without a conflict target,
// as naming one takes the right to read.
const insertCalls = `
INSERT INTO ai_usage_logs (call_id, tenant_id, user_id, tier, credential, provider, model_asked, model_used,
  endpoint, streamed, admitted_at, outcome, held_nanos, cost_nanos, session)
SELECT call_id, tenant_id, user_id, 't', 'c', 'p', 'm', 'm', '/v1/chat/completions', false, admitted_at, 'Settled', cost, cost, 's'
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[])
  AS calls (call_id, tenant_id, user_id, admitted_at, cost)
ON CONFLICT DO NOTHING`

func insertCall(t *testing.T, enforcer *pgxpool.Pool, id, tenant, user string, at time.Time, cost money.Nanos) {
	t.Helper()
	exec(t, enforcer, insertCalls, []string{id}, []string{tenant}, []string{user}, []time.Time{at}, []int64{int64(cost)})
}

// insertRefusal is how enforcers put a refused call on record.
func insertRefusal(t *testing.T, enforcer *pgxpool.Pool, id, tenant, user string, at time.Time) {
	t.Helper()
	exec(t, enforcer, `
INSERT INTO ai_refusals (call_id, tenant_id, user_id, tier, credential, model_asked, model, endpoint, refused_at, reason,
  limit_tenant, limit_name, per, period, unit, bound_nanos, tokens, fallback, session)
SELECT $1, $2, $3, 't', 'c', 'm', 'm', '/v1/chat/completions', $4, 'BudgetExhausted', $2, 'daily', 'Tenant', 'Day', '', 1, 1, '', 's'
ON CONFLICT DO NOTHING`, id, tenant, user, at)
}

func TestEnforcerOnlyInserts(t *testing.T) {
	dsn := migrated(t)
	enforcer := poolAs(t, dsn, "bursar_enforcer")
	now := time.Now()
	insertCall(t, enforcer, "call-1", "acme", "gerente-1", now, 1234567)
	insertCall(t, enforcer, "call-1", "acme", "gerente-1", now, 1234567)

	refused(t, enforcer, insufficientPrivilege, "SELECT call_id FROM ai_usage_logs")
	refused(t, enforcer, insufficientPrivilege, "UPDATE ai_usage_logs SET cost_nanos = 0")
	refused(t, enforcer, insufficientPrivilege, "DELETE FROM ai_usage_logs")
	refused(t, enforcer, insufficientPrivilege, "INSERT INTO ai_usage_logs_default (call_id) VALUES ('x')")
	insertRefusal(t, enforcer, "call-2", "acme", "gerente-1", now)
	insertRefusal(t, enforcer, "call-2", "acme", "gerente-1", now)
	refused(t, enforcer, insufficientPrivilege, "SELECT call_id FROM ai_refusals")
	refused(t, enforcer, insufficientPrivilege, "DELETE FROM ai_refusals")
	refused(t, enforcer, insufficientPrivilege, "SELECT * FROM tenants")
	refused(t, enforcer, insufficientPrivilege, "SELECT ensure_ledger_partitions(1)")

	manager := poolAs(t, dsn, "bursar_manager")
	// Cents are derived, and exact to the nano-dollar.
	checkRows(t, manager, "ledger", "SELECT call_id, ' ', cost_cents::text FROM ai_usage_logs", []string{"call-1 0.1234567"})
	checkRows(t, manager, "refusals", "SELECT call_id FROM ai_refusals", []string{"call-2"})
}

func TestManagerCannotTouchTheLedger(t *testing.T) {
	manager := poolAs(t, migrated(t), "bursar_manager")
	refused(t, manager, insufficientPrivilege, insertCalls, []string{"x"}, []string{"x"}, []string{"x"}, []time.Time{time.Now()}, []int64{1})
	refused(t, manager, insufficientPrivilege, "DELETE FROM ai_usage_logs")
	refused(t, manager, insufficientPrivilege, "DELETE FROM ai_refusals")
	refused(t, manager, insufficientPrivilege, "DELETE FROM budget_limits")
	refused(t, manager, insufficientPrivilege, "DELETE FROM tenants")
}

// twoTenants is a database with calls, refused calls, limits and alerts of acme, of
// two users, and of globex.
func twoTenants(t *testing.T) (dsn string) {
	t.Helper()
	dsn = migrated(t)
	enforcer := poolAs(t, dsn, "bursar_enforcer")
	for _, call := range [][3]string{{"a1", "acme", "gerente-1"}, {"a2", "acme", "empleado-1"}, {"g1", "globex", "gerente-1"}} {
		insertCall(t, enforcer, call[0], call[1], call[2], time.Now(), money.Cent)
		insertRefusal(t, enforcer, call[0], call[1], call[2], time.Now())
	}
	store := storesOn(poolAs(t, dsn, "bursar_manager"))
	for _, tenant := range []string{"acme", "globex"} {
		b := budget("u-"+tenant, 1, limit("daily", period.Day, money.USD))
		b.Tenant = tenant
		for _, user := range []string{"gerente-1", "empleado-1"} {
			if err := store.grants.Record(t.Context(), grantOf(tenant+user, tenant, user)); err != nil {
				t.Fatal(err)
			}
		}
		if err := store.limits.Record(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		a := alerts(reached("daily", "Warn", 80, money.USD), by("gerente-1", reached("each", "Warn", 80, money.USD)))
		a.Tenant, a.UID = tenant, "u-"+tenant
		if _, err := store.alerts.Record(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	return dsn
}

// TestReaders: what each reader sees of the same rows.
func TestReaders(t *testing.T) {
	dsn := twoTenants(t)
	reader := poolAs(t, dsn, "bursar_reader")

	for name, tc := range map[string]struct {
		settings              map[string]string
		wantCalls, wantLimits []string
		// told is the setting that the reader is told of instead of finding nothing: by calls, or by limits as well.
		told, toldByLimits string
	}{
		"nobody": {told: "bursar.tenant_id", toldByLimits: "bursar.tenant_id"},
		"a user": {
			settings:   map[string]string{"bursar.tenant_id": "acme", "bursar.user_id": "gerente-1", "bursar.role": "user"},
			wantCalls:  []string{"a1"},
			wantLimits: []string{"acme"},
		},
		"a user without a role": {
			settings:   map[string]string{"bursar.tenant_id": "acme", "bursar.user_id": "empleado-1"},
			wantCalls:  []string{"a2"},
			wantLimits: []string{"acme"},
		},
		"an admin": {
			settings:   map[string]string{"bursar.tenant_id": "acme", "bursar.user_id": "gerente-1", "bursar.role": "admin"},
			wantCalls:  []string{"a1", "a2"},
			wantLimits: []string{"acme"},
		},
		"an admin of no tenant": {
			settings: map[string]string{"bursar.role": "admin"},
			told:     "bursar.tenant_id", toldByLimits: "bursar.tenant_id",
		},
		"an admin who has reset the tenant": {
			settings: map[string]string{"bursar.tenant_id": "", "bursar.role": "admin"},
			told:     "bursar.tenant_id", toldByLimits: "bursar.tenant_id",
		},
		"a tenant's reader who is no user": {
			settings:   map[string]string{"bursar.tenant_id": "globex"},
			wantLimits: []string{"globex"},
			told:       "bursar.role",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, read := range []struct {
				query, told string
				want        []string
			}{
				{"SELECT call_id FROM ai_usage_logs ORDER BY call_id", tc.told, tc.wantCalls},
				{"SELECT call_id FROM spend ORDER BY call_id", tc.told, tc.wantCalls},
				{"SELECT call_id FROM ai_refusals ORDER BY call_id", tc.told, tc.wantCalls},
				{"SELECT tenant_id FROM budget_limits ORDER BY tenant_id", tc.toldByLimits, tc.wantLimits},
			} {
				got, err := readWith(t, reader, tc.settings, read.query)
				if read.told != "" {
					checkTold(t, err, read.told)
				} else if diff := cmp.Diff(read.want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
					t.Errorf("%s: error %v (-want +got):\n%s", read.query, err, diff)
				}
			}
		})
	}
	for _, table := range []string{"ai_usage_logs", "ai_refusals", "budget_limits", "tenants"} {
		refused(t, reader, insufficientPrivilege, "DELETE FROM "+table)
	}
}

// readWith are the rows of a query, each in one string, in a transaction with the settings.
func readWith(t *testing.T, pool *pgxpool.Pool, settings map[string]string, query string) (found []string, err error) {
	t.Helper()
	err = pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		for setting, value := range settings {
			if _, err := tx.Exec(t.Context(), "SELECT set_config($1, $2, true)", setting, value); err != nil {
				return err
			}
		}
		rows, err := tx.Query(t.Context(), query)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
			values, err := row.Values()
			return fmt.Sprint(values...), err
		})
		return err
	})
	return found, err
}

// checkTold checks that a reader is refused, and told which setting to make.
func checkTold(t *testing.T, err error, setting string) {
	t.Helper()
	var failure *pgconn.PgError
	if !errors.As(err, &failure) || failure.Code != insufficientPrivilege || !strings.Contains(failure.Message, "SET "+setting+" = ") {
		t.Errorf("got %v, want to be told to SET %s", err, setting)
	}
}

// TestOwnerSeesNothing: row level security holds for the tables' owner, too.
func TestOwnerSeesNothing(t *testing.T) {
	dsn := migrated(t)
	insertCall(t, poolAs(t, dsn, "bursar_enforcer"), "a1", "acme", "gerente-1", time.Now(), money.Cent)
	owner := poolAs(t, dsn, "bursar_owner")
	for _, table := range []string{"ai_usage_logs", monthTable(time.Now()), "ai_usage_logs_default"} {
		if got := rows(t, owner, "SELECT call_id FROM "+table); len(got) > 0 {
			t.Errorf("the owner sees %v in %s", got, table)
		}
	}
	refused(t, owner, insufficientPrivilege, "INSERT INTO tenants VALUES ('x', 'x', 'x', 'x', 1, 'UTC')")
}

func monthTable(t time.Time) string { return "ai_usage_logs_" + t.UTC().Format("2006_01") }

func firstOfMonth(t time.Time, months int) time.Time {
	y, m, _ := t.UTC().Date()
	return time.Date(y, m+time.Month(months), 1, 0, 0, 0, 0, time.UTC)
}

func TestPartitions(t *testing.T) {
	dsn := migrated(t)
	manager := poolAs(t, dsn, "bursar_manager")
	enforcer := poolAs(t, dsn, "bursar_enforcer")
	store := storesOn(manager)
	now := time.Now()

	if made, err := store.partitions.Ensure(t.Context(), 3); err != nil || made != 0 {
		t.Errorf("right after the migration: made %d, %v, want none to be missing", made, err)
	}
	if made, err := store.partitions.Ensure(t.Context(), 5); err != nil || made != 6 {
		t.Errorf("two months further: made %d, %v, want two of calls, two of refused calls and two of sums", made, err)
	}

	// The bounds are those of months in UTC, whatever zone a client is in.
	for id, at := range map[string]time.Time{
		"first":  firstOfMonth(now, 5),
		"last":   firstOfMonth(now, 6).Add(-time.Microsecond),
		"beyond": firstOfMonth(now, 6),
	} {
		insertCall(t, enforcer, id, "acme", "gerente-1", at, 1)
		insertRefusal(t, enforcer, id, "acme", "gerente-1", at)
	}
	fifth := monthTable(firstOfMonth(now, 5))
	checkRows(t, manager, "where calls are", "SELECT call_id, ' ', tableoid::regclass::text FROM ai_usage_logs ORDER BY admitted_at",
		[]string{"first " + fifth, "last " + fifth, "beyond ai_usage_logs_default"})
	refusalsOfFifth := strings.Replace(fifth, "ai_usage_logs", "ai_refusals", 1)
	checkRows(t, manager, "where refused calls are", "SELECT call_id, ' ', tableoid::regclass::text FROM ai_refusals ORDER BY refused_at",
		[]string{"first " + refusalsOfFifth, "last " + refusalsOfFifth, "beyond ai_refusals_default"})

	// A month that is in the default partition stays there and stops nothing. Its sums are not
	// rolled up yet.
	if made, err := store.partitions.Ensure(t.Context(), 7); err != nil || made != 4 {
		t.Errorf("past a month in the default partition: made %d, %v, want 2, and 2 of sums", made, err)
	}

	// Nobody reaches a partition past the table's own rules.
	for _, table := range []string{fifth, "ai_usage_logs_default", refusalsOfFifth, "ai_refusals_default"} {
		refused(t, manager, insufficientPrivilege, "SELECT call_id FROM "+table)
		refused(t, enforcer, insufficientPrivilege, "SELECT call_id FROM "+table)
	}
	unprotected := rows(t, connectTo(t, dsn), `SELECT relname::text FROM pg_class
		WHERE relname ~ '^(ai_usage_logs|ai_refusals|usage_)' AND relkind IN ('r', 'p') AND NOT (relrowsecurity AND relforcerowsecurity)`)
	if len(unprotected) > 0 {
		t.Errorf("tables without forced row level security: %v", unprotected)
	}
}

func TestPartitionsBounds(t *testing.T) {
	store, _ := newStore(t)
	for _, months := range []int{-1, 25} {
		if made, err := store.partitions.Ensure(t.Context(), months); err == nil {
			t.Errorf("%d months ahead: made %d, want an error", months, made)
		}
	}
}

// TestDetach: months long gone become tables of their own, with all that is in them,
// that no role of Bursar reads; the ledger goes on without them.
func TestDetach(t *testing.T) {
	dsn := migrated(t)
	manager, admin := poolAs(t, dsn, "bursar_manager"), connectTo(t, dsn)
	enforcer := poolAs(t, dsn, "bursar_enforcer")
	store := storesOn(manager)
	now := time.Now()
	kept, gone := firstOfMonth(now, -24), firstOfMonth(now, -25)
	for _, month := range []time.Time{gone, kept} {
		for _, table := range []string{"ai_usage_logs", "ai_refusals", "usage_sums"} {
			name := strings.Replace(monthTable(month), "ai_usage_logs", table, 1)
			exec(t, admin, "CREATE TABLE "+name+" PARTITION OF "+table+" FOR VALUES FROM ('"+month.Format(time.RFC3339)+
				"') TO ('"+firstOfMonth(month, 1).Format(time.RFC3339)+"')")
			exec(t, admin, "ALTER TABLE "+name+" OWNER TO bursar_owner")
			exec(t, admin, "ALTER TABLE "+name+" ENABLE ROW LEVEL SECURITY")
		}
		insertCall(t, enforcer, month.Format("2006-01"), "acme", "gerente-1", month.Add(time.Hour), money.Cent)
		insertRefusal(t, enforcer, month.Format("2006-01"), "acme", "gerente-1", month.Add(time.Hour))
	}
	insertCall(t, enforcer, "now", "acme", "gerente-1", now, money.Cent)

	exec(t, admin, "SELECT roll_up_usage(1000)")
	detached, err := store.partitions.Detach(t.Context(), budgetstore.LeastMonths)
	want := []string{strings.Replace(monthTable(gone), "usage_logs", "refusals", 1), monthTable(gone)}
	sumsOfGone := strings.Replace(monthTable(gone), "ai_usage_logs", "usage_sums", 1)
	if diff := cmp.Diff(append(slices.Clone(want), sumsOfGone), detached); err != nil || diff != "" {
		t.Errorf("detached, %v (-want +got):\n%s", err, diff)
	}
	checkRows(t, manager, "ledger", "SELECT call_id FROM ai_usage_logs ORDER BY admitted_at", []string{kept.Format("2006-01"), "now"})
	checkRows(t, manager, "refusals", "SELECT call_id FROM ai_refusals", []string{kept.Format("2006-01")})
	checkRows(t, manager, "sums", "SELECT sum(calls)::bigint, ' ', sum(refused)::bigint FROM usage_sums WHERE minutes = 1440 AND summed_by = 'Call'", []string{"2 1"})
	checkRows(t, admin, "sums of old", "SELECT sum(calls)::bigint, ' ', sum(refused)::bigint FROM "+sumsOfGone+" WHERE minutes = 1440 AND summed_by = 'Call'", []string{"1 1"})
	for _, table := range want {
		checkRows(t, admin, table, "SELECT call_id FROM "+table, []string{gone.Format("2006-01")})
		refused(t, manager, insufficientPrivilege, "SELECT call_id FROM "+table)
		refused(t, poolAs(t, dsn, "bursar_reader"), insufficientPrivilege, "SELECT call_id FROM "+table)
	}
	insertCall(t, enforcer, "late", "acme", "gerente-1", gone.Add(time.Hour), money.Cent) // and is as good in the default partition
	if detached, err := store.partitions.Detach(t.Context(), budgetstore.LeastMonths); err != nil || len(detached) > 0 {
		t.Errorf("again: %v, %v", detached, err)
	}
	if _, err := store.partitions.Detach(t.Context(), budgetstore.LeastMonths-1); err == nil {
		t.Error("detached what the counters of a year need")
	}
	refused(t, enforcer, insufficientPrivilege, "SELECT detach_ledger_partitions(24)")
}
