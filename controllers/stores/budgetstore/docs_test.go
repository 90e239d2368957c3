package budgetstore_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
)

// ledgerPage is the page about the tables and views.
func ledgerPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../../docs/ledger.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

var example = regexp.MustCompile("(?s)```sql\n(.*?)```")

// TestExamplesOfTheLedger: each query of docs/ledger.md runs as it is written, for the role that
// it is meant for, and finds something.
func TestExamplesOfTheLedger(t *testing.T) {
	dsn := migrated(t)
	admin := connectTo(t, dsn)
	spent(t, admin)
	exec(t, admin, `UPDATE ai_usage_logs SET admitted_at = admitted_at + interval '1 year' * (2026 - extract(year FROM admitted_at))`)
	exec(t, admin, `
INSERT INTO ai_usage_logs (call_id, tenant_id, user_id, tier, credential, provider, model_asked, model, model_used, endpoint, streamed, admitted_at, outcome, held_nanos, cost_nanos, session)
VALUES ('now', 'acme', 'gerente-1', 't', 'k', 'openai', 'm', 'm', 'm', '/', false, now(), 'Settled', 1, 1, 's')`)
	exec(t, admin, `
INSERT INTO ai_refusals (call_id, tenant_id, user_id, tier, credential, model_asked, model, endpoint, refused_at, reason, limit_tenant, limit_name, per, period, unit, bound_nanos, tokens, fallback, session)
VALUES ('no', 'acme', 'gerente-1', 't', 'k', 'm', 'm', '/', now(), 'BudgetExhausted', 'acme', 'daily', 'Tenant', 'Day', '', 1, 1, '', 's')`)
	manager := storesOn(poolAs(t, dsn, "bursar_manager"))
	if err := manager.limits.Record(t.Context(), budget("u", 1, limit("daily", "Day", 1))); err != nil {
		t.Fatal(err)
	}
	if err := manager.grants.Record(t.Context(), grantOf("g", "acme", "")); err != nil {
		t.Fatal(err)
	}
	reader, finance := poolAs(t, dsn, "bursar_reader"), poolAs(t, dsn, "bursar_finance")
	examples := example.FindAllStringSubmatch(ledgerPage(t), -1)
	if len(examples) < 8 {
		t.Fatalf("%d examples", len(examples))
	}
	for _, found := range examples {
		sql := found[1]
		t.Run(strings.Join(strings.Fields(sql), " "), func(t *testing.T) {
			pool := finance
			if strings.Contains(sql, "SET bursar.") {
				pool = reader
			}
			conn, err := pool.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Release()
			results, err := conn.Conn().PgConn().Exec(t.Context(), "BEGIN; "+strings.ReplaceAll(sql, "SET ", "SET LOCAL ")+"COMMIT").ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			rows := 0
			for _, result := range results {
				rows += len(result.Rows)
			}
			if rows == 0 {
				t.Error("finds nothing")
			}
		})
	}
}

// TestLedgerPageHasEveryColumn: docs/ledger.md says of each table and view that it describes what
// each column is, and of no column that there is not.
func TestLedgerPageHasEveryColumn(t *testing.T) {
	admin := connectTo(t, migrated(t))
	sections := regexp.MustCompile("\n\\| `([a-z_]+)`: [^\n]*\n\\|---\\|---\\|\n((?:\\|[^\n]*\n)+)").FindAllStringSubmatch(ledgerPage(t), -1)
	if len(sections) < 8 {
		t.Fatalf("%d tables and views", len(sections))
	}
	for _, section := range sections {
		var told []string
		for _, row := range strings.Split(strings.TrimSpace(section[2]), "\n") {
			for _, name := range regexp.MustCompile("`([a-z0-9_]+)`").FindAllStringSubmatch(strings.Split(row, "|")[1], -1) {
				told = append(told, name[1])
			}
		}
		there, err := pgx.CollectRows(must(admin.Query(t.Context(),
			`SELECT attname::text FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`, section[1])), pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(told)
		slices.Sort(there)
		if !slices.Equal(told, there) {
			t.Errorf("%s: docs/ledger.md has the columns\n%s, there are\n%s", section[1], told, there)
		}
	}
}

// must is the rows, whose error comes with them.
func must(rows pgx.Rows, _ error) pgx.Rows { return rows }

// TestLedgerPageHasEveryOutcome: docs/ledger.md says what each outcome means.
func TestLedgerPageHasEveryOutcome(t *testing.T) {
	for _, outcome := range ledgerv1.Outcomes() {
		if !strings.Contains(ledgerPage(t), "| `"+string(outcome)+"` |") {
			t.Errorf("docs/ledger.md lacks %s", outcome)
		}
	}
}
