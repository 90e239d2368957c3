package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// days is how many days the calls are of.
	days  = 92
	users = 500
)

// The people of the sample company who ask. Of the 500 users, the employee makes the most calls: one of
// 22 is theirs.
const (
	tenant, parent = "research", "northwind"
	employee       = "ana"
	admin          = "rita"
	adminAbove     = "carla"
	platformAdmin  = "nadia"
)

// userName is a user of the generated calls; those with lower numbers make more calls.
func userName(n int) string {
	if n == 0 {
		return employee
	}
	return fmt.Sprintf("user-%d@example.com", n)
}

// generateDay are the calls of a day: of 500 users, few of whom make most calls, in 20 groups and 40 cost
// centres, each with three of twelve models, mostly in working hours.
const generateDay = `
INSERT INTO ai_usage_logs (call_id, tenant_id, ancestors, user_id, tier, credential, provider, model_asked, model, model_used, endpoint, streamed,
  admitted_at, settled_at, outcome, decision, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, held_nanos, cost_nanos, saved_nanos, session, groups, labels,
  recorded_at, duration_ms, time_to_first_token_ms)
SELECT 'call-' || (@day::timestamptz AT TIME ZONE 'UTC')::date || '-' || i, @tenant, ARRAY[@parent], CASE u WHEN 0 THEN @employee ELSE 'user-' || u || '@example.com' END,
  (ARRAY['empleado', 'gerente', 'corporativo'])[1 + u % 3],
  @tenant || '/key-' || u, (ARRAY['openai', 'anthropic', 'google'])[1 + m % 3], 'model-' || m, 'model-' || m, 'model-' || m || '-2026',
  (ARRAY['/v1/chat/completions', '/v1/messages', '/v1beta/models'])[1 + m % 3], m % 2 = 0,
  at, at + interval '3 seconds', CASE WHEN o < 0.97 THEN 'Settled' WHEN o < 0.99 THEN 'Voided' ELSE 'ChargedSeen' END,
  CASE WHEN d < 0.95 THEN 'Admitted' WHEN d < 0.98 THEN 'Replaced' WHEN d < 0.9999 THEN 'Shadowed' ELSE 'Fallback' END,
  (t * 4000)::bigint, (t * 900)::bigint, (t * 700)::bigint, (t * 100)::bigint, (t * 90000000)::bigint,
  CASE WHEN o >= 0.97 AND o < 0.99 THEN 0 ELSE (t * 31234567)::bigint END, CASE WHEN d >= 0.95 AND d < 0.98 THEN (t * 1000)::bigint ELSE 0 END,
  'session', ARRAY['team-' || u % 20], jsonb_build_object('cost-centre', (u % 40)::text),
  at + interval '3.05 seconds', 900 + (t * 2000)::int, 250 + (t * 300)::int
FROM (
  SELECT i, u, (u + floor(random() * 3)::int) % 12 AS m, random() AS o, random() AS d, random() AS t,
    @day::timestamptz + ((ARRAY[9,9,9,10,10,10,10,11,11,11,11,12,12,13,13,14,14,14,14,15,15,15,15,16,16,16,17,17,18,19,20,21,22,23,0,1,3,5,7,8])[1 + floor(random() * 40)::int]
      * interval '1 hour') + random() * interval '1 hour' AS at
  FROM (SELECT i, floor(@users * power(random(), 2))::int AS u FROM generate_series(1, @calls::int) AS i) AS users) AS calls
WHERE at < @now
ORDER BY at`

const generateRefusals = `
INSERT INTO ai_refusals (call_id, tenant_id, ancestors, user_id, tier, credential, model_asked, model, endpoint, refused_at, reason,
  limit_tenant, limit_name, per, period, unit, bound_nanos, tokens, fallback, session, groups, labels)
SELECT 'refused-' || call_id, tenant_id, ancestors, user_id, tier, credential, model, model, endpoint, admitted_at, 'BudgetExhausted',
  tenant_id, 'daily', 'Tenant', 'Day', '', held_nanos, 1000, CASE WHEN random() < 0.1 THEN 'Cache' ELSE '' END, session, groups, labels
FROM ai_usage_logs
WHERE tenant_id = @tenant AND admitted_at >= @day::timestamptz AND admitted_at < @day::timestamptz + interval '1 day' AND random() < 0.01`

// between tells how far something has come that takes long, this often at most.
const between = 10 * time.Second

// generate fills the ledger, in place of the few calls of the sample company, as it was before there were
// sums: what is recorded in one statement could not be added up in a moment.
func generate(ctx context.Context, ledger *pgxpool.Pool, now time.Time, calls int) error {
	began, told := time.Now(), time.Now()
	first := now.Truncate(24*time.Hour).AddDate(0, 0, 1-days)
	if err := each(ctx, ledger, "TRUNCATE ai_usage_logs, ai_refusals, usage_sums, usage_changes, usage_calendars"); err != nil {
		return err
	}
	if err := makeMonths(ctx, ledger, first, now); err != nil {
		return err
	}
	if err := each(ctx, ledger, "ALTER TABLE ai_usage_logs DISABLE TRIGGER USER", "ALTER TABLE ai_refusals DISABLE TRIGGER USER"); err != nil {
		return err
	}
	for n := range days {
		args := pgx.NamedArgs{
			"day": first.AddDate(0, 0, n), "now": now, "calls": calls / days, "users": users, "tenant": tenant, "parent": parent, "employee": employee,
		}
		for _, statement := range []string{generateDay, generateRefusals} {
			if _, err := ledger.Exec(ctx, statement, args); err != nil {
				return err
			}
		}
		if n+1 == days || time.Since(told) > between {
			fmt.Printf("Generated %d of %d calls in %s\n", calls/days*(n+1), calls, time.Since(began).Round(time.Second))
			told = time.Now()
		}
	}
	// There are sums of all users but of the last minutes, as where the leader adds up.
	if _, err := ledger.Exec(ctx, "UPDATE usage_progress SET users_until = date_bin('15 minutes', $1::timestamptz - interval '20 minutes', '2000-01-01Z')", now); err != nil {
		return err
	}
	if _, err := ledger.Exec(ctx, "INSERT INTO usage_calendars VALUES ($1, $2, 'infinity', ARRAY[$3])", tenant, west, parent); err != nil {
		return err
	}
	return each(ctx, ledger,
		"ALTER TABLE ai_usage_logs ENABLE TRIGGER USER", "ALTER TABLE ai_refusals ENABLE TRIGGER USER", "VACUUM (ANALYZE) ai_usage_logs", "VACUUM (ANALYZE) ai_refusals")
}

// makeMonths makes the partitions of all months, as the leader does before each begins.
func makeMonths(ctx context.Context, ledger *pgxpool.Pool, first, now time.Time) error {
	for month := time.Date(first.Year(), first.Month(), 1, 0, 0, 0, 0, time.UTC); month.Before(now); month = month.AddDate(0, 1, 0) {
		for _, table := range []string{"ai_usage_logs", "ai_refusals", "usage_sums"} {
			err := each(ctx, ledger, fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s PARTITION OF %s FOR VALUES FROM ('%s') TO ('%s')",
				table+month.Format("_2006_01"), table, month.Format(time.RFC3339), month.AddDate(0, 1, 0).Format(time.RFC3339)))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// moveTo has the TenantBudget of the tenant say that it is in another time zone.
func moveTo(ctx context.Context, ledger *pgxpool.Pool, zone string) error {
	fmt.Println("\nThe tenant moves to", zone)
	_, err := ledger.Exec(ctx, "UPDATE tenants SET time_zone = $2 WHERE tenant_id = $1", tenant, zone)
	return err
}

// addUp makes the sums of so many days, the last ones first, as the leader does.
func addUp(ctx context.Context, ledger *pgxpool.Pool, days int) error {
	began, told, summed, longest := time.Now(), time.Now(), 0, time.Duration(0)
	for summed < days {
		started := time.Now()
		var day *time.Time
		if err := ledger.QueryRow(ctx, "SELECT roll_up_past()").Scan(&day); err != nil {
			return err
		}
		longest = max(longest, time.Since(started))
		const most = 20_000
		for added := most; added == most; {
			if err := ledger.QueryRow(ctx, "SELECT roll_up_usage($1)", most).Scan(&added); err != nil {
				return err
			}
		}
		if day == nil {
			break
		}
		summed++
		if time.Since(told) > between {
			fmt.Printf("Added up %d of %d days in %s\n", summed, days, time.Since(began).Round(time.Second))
			told = time.Now()
		}
	}
	fmt.Printf("Added up %d days in %s; one held up writers for %s at most\n", summed, time.Since(began).Round(time.Second), longest.Round(time.Millisecond))
	return each(ctx, ledger, "VACUUM (ANALYZE) usage_sums", "VACUUM (ANALYZE) usage_changes")
}

func tellSizes(ctx context.Context, ledger *pgxpool.Pool) error {
	for _, table := range []string{"ai_usage_logs", "ai_refusals", "usage_sums", "usage_changes"} {
		var rows int64
		var size string
		err := ledger.QueryRow(ctx, `SELECT (SELECT count(*) FROM `+table+`), pg_size_pretty(pg_total_relation_size($1) + coalesce((SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree($1)), 0))`, table).Scan(&rows, &size)
		if err != nil {
			return err
		}
		fmt.Printf("%s: %d rows, %s\n", table, rows, size)
	}
	return nil
}

// each executes statements one after another, each in a transaction of its own.
func each(ctx context.Context, ledger *pgxpool.Pool, statements ...string) error {
	for _, statement := range statements {
		if _, err := ledger.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}
