package budgetstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// TestNobodySeesForeignRows tries every verb on every table there is, as every role,
// and as readers of every kind: what a migration adds is tried as well. Foreign rows
// are those of the tenant globex, of another user, or of any tenant to who has none.
func TestNobodySeesForeignRows(t *testing.T) {
	admin := connectTo(t, twoTenants(t))
	tables := tablesOf(t, admin)
	tried, seen := 0, 0
	for _, who := range []struct {
		role     string
		settings map[string]string
		// tenant and user are whose rows may be seen; empty for none's, "*" for all.
		tenant, user string
	}{
		{role: "bursar_owner"},
		{role: "bursar_enforcer"},
		{role: "bursar_manager", tenant: "*", user: "*"},
		{role: "bursar_finance", tenant: "*", user: "*"},
		{role: "bursar_console"},
		{role: "bursar_console", settings: map[string]string{"bursar.tells_health": "on"}},
		{role: "bursar_enforcer", settings: map[string]string{"bursar.tells_health": "on"}},
		{role: "bursar_reader"},
		{"bursar_reader", map[string]string{"bursar.late_call": "g1"}, "", ""},
		{"bursar_reader", map[string]string{"bursar.tenant_id": "acme"}, "acme", ""},
		{"bursar_reader", map[string]string{"bursar.tenant_id": "acme", "bursar.user_id": "gerente-1"}, "acme", "gerente-1"},
		{"bursar_reader", map[string]string{"bursar.tenant_id": "acme", "bursar.role": "admin"}, "acme", "*"},
		{"bursar_reader", map[string]string{"bursar.role": "admin", "bursar.user_id": "gerente-1"}, "", ""},
	} {
		for _, table := range tables {
			foreign := "true"
			if who.tenant != "" {
				foreign = fmt.Sprintf("'%s' NOT IN ('*', tenant_id)", who.tenant)
			}
			if table.user && who.tenant != "" {
				foreign += fmt.Sprintf(" OR '%s' NOT IN ('*', user_id)", who.user)
			}
			if !table.tenant {
				foreign = fmt.Sprintf("'%s' <> '*'", who.tenant)
			}
			for _, statement := range []string{
				"SELECT 1 FROM %s WHERE " + foreign,
				"WITH gone AS (DELETE FROM %s WHERE " + foreign + " RETURNING 1) SELECT 1 FROM gone",
				"WITH changed AS (UPDATE %s SET " + table.column + " = " + table.column + " WHERE " + foreign + " RETURNING 1) SELECT 1 FROM changed",
			} {
				if isOwnWork(who.role, table.name, statement) {
					continue
				}
				tried++
				seen += rowsAs(t, admin, who.role, who.settings, fmt.Sprintf(statement, table.name))
			}
			tried++
			truncated := "TRUNCATE " + table.name
			if who.role != "bursar_owner" && !failsAs(t, admin, who.role, truncated) {
				t.Errorf("%s may %s", who.role, truncated)
			}
		}
	}
	if seen > 0 {
		t.Errorf("foreign rows were seen or changed %d times in %d attempts", seen, tried)
	}
	t.Logf("%d tables: foreign rows seen or changed: %d of %d attempts", len(tables), seen, tried)
}

// isOwnWork is whether a role has to do what a statement does for its own work, in a table
// that is about no tenant: enforcers hear which epoch counts, and find their session; readers, and
// the functions that make sums, see how far these have come; consoles, which sessions were ended.
func isOwnWork(role, table, statement string) bool {
	if !strings.HasPrefix(statement, "SELECT") {
		return false
	}
	switch table {
	case "limiter_epoch", "limiter_sessions":
		return role == "bursar_enforcer"
	case "usage_progress":
		return role == "bursar_reader" || role == "bursar_owner"
	case "console_sign_outs":
		return role == "bursar_console"
	}
	return false
}

// noTable is the SQLSTATE of a change of a view that sums rows up: there is nothing to change.
const noTable = "55000"

type table struct {
	name, column string
	// tenant and user are whether it has columns that say whose a row is.
	tenant, user bool
}

// tablesOf are all tables, partitions and views there are, except the note of
// migrations, which is about no tenant.
func tablesOf(t *testing.T, admin *pgxpool.Pool) []table {
	t.Helper()
	rows, err := admin.Query(t.Context(), `
SELECT c.oid::regclass::text,
       (SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum LIMIT 1),
       EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'tenant_id'),
       EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'user_id')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm') AND c.relname <> 'bursar_schema_versions'`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (found table, err error) {
		err = row.Scan(&found.name, &found.column, &found.tenant, &found.user)
		return found, err
	})
	if err != nil || len(tables) < 4 {
		t.Fatalf("tables %+v, %v", tables, err)
	}
	return tables
}

// as does something in a transaction as a role, and takes it back.
func as(t *testing.T, admin *pgxpool.Pool, role string, settings map[string]string, do func(context.Context, pgx.Tx)) {
	t.Helper()
	tx, err := admin.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := tx.Exec(t.Context(), "SET LOCAL ROLE "+role); err != nil {
		t.Fatal(err)
	}
	for name, value := range settings {
		if _, err := tx.Exec(t.Context(), "SELECT set_config($1, $2, true)", name, value); err != nil {
			t.Fatal(err)
		}
	}
	do(t.Context(), tx)
}

// rowsAs is how many rows a role gets by a statement; none where it may not ask.
func rowsAs(t *testing.T, admin *pgxpool.Pool, role string, settings map[string]string, statement string) (count int) {
	t.Helper()
	as(t, admin, role, settings, func(ctx context.Context, tx pgx.Tx) {
		rows, err := tx.Query(ctx, statement)
		if err == nil {
			var got []int
			if got, err = pgx.CollectRows(rows, pgx.RowTo[int]); err == nil && len(got) > 0 {
				t.Errorf("%s %v: %d rows by %s", role, settings, len(got), statement)
				count = len(got)
			}
		}
		var failure *pgconn.PgError
		if err != nil && (!errors.As(err, &failure) || failure.Code != insufficientPrivilege && failure.Code != noTable) {
			t.Errorf("%s: %v, want rows or SQLSTATE %s, or %s", statement, err, insufficientPrivilege, noTable)
		}
	})
	return count
}

func failsAs(t *testing.T, admin *pgxpool.Pool, role, statement string) (fails bool) {
	t.Helper()
	as(t, admin, role, nil, func(ctx context.Context, tx pgx.Tx) {
		_, err := tx.Exec(ctx, statement)
		fails = err != nil
	})
	return fails
}

// TestHealthIsTheConsoles: the console alone reads what of all tenants together its page of health
// tells, and nothing of one.
func TestHealthIsTheConsoles(t *testing.T) {
	admin := connectTo(t, twoTenants(t))
	exec(t, admin, "INSERT INTO limiter_sessions (session) VALUES ('s1')")
	for _, function := range []string{"health_of_enforcers()", "health_of_stores()", "health_of_calls('-infinity')"} {
		for _, role := range []string{"bursar_manager", "bursar_enforcer", "bursar_reader", "bursar_finance"} {
			if !failsAs(t, admin, role, "SELECT * FROM "+function) {
				t.Errorf("%s may ask %s", role, function)
			}
		}
		as(t, admin, "bursar_console", nil, func(ctx context.Context, tx pgx.Tx) {
			rows, err := tx.Query(ctx, "SELECT to_jsonb(h)::text FROM "+function+" AS h")
			if err != nil {
				t.Fatal(err)
			}
			all, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil || len(all) == 0 {
				t.Errorf("%s as the console: %d rows, %v", function, len(all), err)
			}
			for _, row := range all {
				if strings.Contains(row, "acme") || strings.Contains(row, "globex") || strings.Contains(row, "gerente") {
					t.Errorf("%s tells of a tenant or a user: %s", function, row)
				}
			}
			if got, err := tx.Exec(ctx, "SELECT 1 FROM limiter_sessions"); err == nil {
				t.Errorf("after %s, the console reads the table: %s", function, got)
			}
		})
	}
}
