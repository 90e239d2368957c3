package budgetstore_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bursar-dev/bursar/hack/testkit"
)

// checkViolation is the SQLSTATE of a row that a CHECK refuses.
const checkViolation = "23514"

// TestNoAmountIsNegative: Postgres refuses a negative amount of money or tokens in every
// column there is, whoever writes it. Those of sums are exempt: a correction takes off what
// is added a moment later, and must never be stuck.
func TestNoAmountIsNegative(t *testing.T) {
	admin := connectTo(t, twoTenants(t))
	_, err := admin.Exec(t.Context(), "INSERT INTO limiter_audits (tenants, tenants_with_drift, drift_nanos, tenants_with_wrong_sums) VALUES (2, 0, 0, 0)")
	testkit.Must(t, err)
	rows, err := admin.Query(t.Context(), `
SELECT c.relname, quote_ident(attname)
FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
WHERE nspname = 'public' AND relkind IN ('r', 'p') AND NOT relispartition AND relname NOT IN ('usage_sums', 'usage_changes') AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
  AND (attname LIKE '%\_nanos' OR attname LIKE '%tokens' OR attname = 'attempts')`)
	testkit.Must(t, err)
	type column struct{ Table, Name string }
	columns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	testkit.Must(t, err)
	if len(columns) < 20 {
		t.Fatalf("columns: %v", columns)
	}
	for _, c := range columns {
		refusedByCheck(t, admin, "UPDATE "+c.Table+" SET "+c.Name+" = -1")
	}
	refusedByCheck(t, admin, "UPDATE ai_usage_logs SET outcome = 'Voided', cost_nanos = 1")
}

// refusedByCheck expects that a CHECK refuses what a statement, which changes rows, says.
func refusedByCheck(t *testing.T, admin *pgxpool.Pool, statement string) {
	t.Helper()
	tag, err := admin.Exec(t.Context(), statement)
	var failure *pgconn.PgError
	if !errors.As(err, &failure) || failure.Code != checkViolation {
		t.Errorf("%s changed %d rows: %v; want SQLSTATE %s", statement, tag.RowsAffected(), err, checkViolation)
	}
}

// TestWhatManagersChange: a manager adds rows, and says when what they are about has ended;
// it changes no amount, no limit, no grant and no alert that it has recorded.
func TestWhatManagersChange(t *testing.T) {
	admin := connectTo(t, twoTenants(t))
	want := map[string][]string{
		"tenants":          {"namespace", "budget", "budget_uid", "generation", "time_zone", "recorded_at", "withdrawn_at"},
		"budget_limits":    {"valid_to"},
		"budget_grants":    {"withdrawn_at"},
		"cost_alerts":      {"budget_uid", "resolved_at", "resolution"},
		"alert_deliveries": {"attempts", "next_attempt_at", "delivered_at", "abandoned_at", "last_error", "bundle"},
		"alert_marks":      nil,
		"rate_limits":      {"seen_generation", "closed_by", "valid_to"},
		"budget_requests":  nil,
		"budget_decisions": nil,
		"ai_usage_logs":    nil,
		"ai_refusals":      nil,
		"usage_sums":       nil,
		"usage_changes":    nil,
		"usage_progress":   nil,
	}
	for table, may := range want {
		rows, err := admin.Query(t.Context(), `
SELECT attname FROM pg_attribute
WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`, table)
		testkit.Must(t, err)
		columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
		testkit.Must(t, err)
		var did []string
		for _, column := range columns {
			as(t, admin, "bursar_manager", nil, func(ctx context.Context, tx pgx.Tx) {
				if _, err := tx.Exec(ctx, "UPDATE "+table+" SET "+column+" = "+column); err == nil {
					did = append(did, column)
				}
			})
		}
		if diff := cmp.Diff(slices.Sorted(slices.Values(may)), slices.Sorted(slices.Values(did))); diff != "" {
			t.Errorf("columns of %s that a manager may change (-want +got):\n%s", table, diff)
		}
	}
}
