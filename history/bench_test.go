package history_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/history"
)

// benchVariable is the environment variable with how many calls TestBenchHistory generates.
const benchVariable = "BURSAR_BENCH_HISTORY"

const (
	benchDays  = 92
	benchUsers = 500
	// benchAtMost is what 95 of 100 answers take at most.
	benchAtMost = 200 * time.Millisecond
	benchRuns   = 20
)

// generateDay are the calls of a day: of 500 users, few of whom make most calls, in 20 groups and 40 cost
// centres, each with three of twelve models, mostly in working hours.
const generateDay = `
INSERT INTO ai_usage_logs (call_id, tenant_id, ancestors, user_id, tier, credential, provider, model_asked, model, model_used, endpoint, streamed,
  admitted_at, settled_at, outcome, decision, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, held_nanos, cost_nanos, saved_nanos, session, groups, labels)
SELECT 'call-' || ($1::timestamptz AT TIME ZONE 'UTC')::date || '-' || i, 'acme', '{holding}', 'user-' || u || '@example.com', (ARRAY['empleado', 'gerente', 'corporativo'])[1 + u % 3],
  'acme/key-' || u, (ARRAY['openai', 'anthropic', 'gemini'])[1 + m % 3], 'model-' || m, 'model-' || m, 'model-' || m || '-2026',
  (ARRAY['/v1/chat/completions', '/v1/messages', '/v1beta/models'])[1 + m % 3], m % 2 = 0,
  at, at + interval '3 seconds', CASE WHEN o < 0.97 THEN 'Settled' WHEN o < 0.99 THEN 'Voided' ELSE 'ChargedSeen' END,
  CASE WHEN d < 0.95 THEN 'Admitted' WHEN d < 0.98 THEN 'Replaced' WHEN d < 0.9999 THEN 'Shadowed' ELSE 'Fallback' END,
  (t * 4000)::bigint, (t * 900)::bigint, (t * 700)::bigint, (t * 100)::bigint, (t * 90000000)::bigint,
  CASE WHEN o >= 0.97 AND o < 0.99 THEN 0 ELSE (t * 31234567)::bigint END, CASE WHEN d >= 0.95 AND d < 0.98 THEN (t * 1000)::bigint ELSE 0 END,
  'session', ARRAY['team-' || u % 20], jsonb_build_object('cost-centre', (u % 40)::text)
FROM (
  SELECT i, u, (u + floor(random() * 3)::int) % 12 AS m, random() AS o, random() AS d, random() AS t,
    $1::timestamptz + ((ARRAY[9,9,9,10,10,10,10,11,11,11,11,12,12,13,13,14,14,14,14,15,15,15,15,16,16,16,17,17,18,19,20,21,22,23,0,1,3,5,7,8])[1 + floor(random() * 40)::int]
      * interval '1 hour') + random() * interval '1 hour' AS at
  FROM (SELECT i, floor(500 * power(random(), 2))::int AS u FROM generate_series(1, $2::int) AS i) AS users) AS calls
WHERE at < $3
ORDER BY at`

const generateRefusals = `
INSERT INTO ai_refusals (call_id, tenant_id, ancestors, user_id, tier, credential, model_asked, model, endpoint, refused_at, reason,
  limit_tenant, limit_name, per, period, unit, bound_nanos, tokens, fallback, session, groups, labels)
SELECT 'refused-' || call_id, tenant_id, ancestors, user_id, tier, credential, model, model, endpoint, admitted_at, 'BudgetExhausted',
  tenant_id, 'daily', 'Tenant', 'Day', '', held_nanos, 1000, CASE WHEN random() < 0.1 THEN 'Cache' ELSE '' END, session, groups, labels
FROM ai_usage_logs WHERE tenant_id = 'acme' AND admitted_at >= $1::timestamptz AND admitted_at < $1::timestamptz + interval '1 day' AND random() < 0.01`

// TestBenchHistory generates calls of three months, adds them up as the leader does after an
// upgrade, and measures every answer; sums are compared with the ledger. It runs by make bench-history alone.
func TestBenchHistory(t *testing.T) {
	calls, err := strconv.Atoi(os.Getenv(benchVariable))
	if err != nil {
		t.Skip("set " + benchVariable + " to how many calls are generated: make bench-history")
	}
	admin, reader := ledger(t, "bursar_reader")
	now := time.Now().UTC()
	generate(t, admin, now, calls)
	addUpPast(t, admin, now)
	for _, table := range []string{"ai_usage_logs", "ai_refusals", "usage_sums", "usage_changes"} {
		var rows int64
		var size string
		testkit.Must(t, admin.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM `+table+`), pg_size_pretty(pg_total_relation_size($1) + coalesce((SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree($1)), 0))`, table).Scan(&rows, &size))
		t.Logf("%s: %d rows, %s", table, rows, size)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for name, ask := range benchUsage(now, reader) {
		measure(t, name, func() error { return ask(t.Context(), random) })
	}
	for name, ask := range benchLists(now, reader) {
		measure(t, name, func() error { return ask(t.Context(), random) })
	}
	checkTotals(t, admin, reader, now)
}

// generate fills the ledger as it was before there were sums.
func generate(t *testing.T, admin *pgxpool.Pool, now time.Time, calls int) {
	begin := time.Now()
	today := now.Truncate(24 * time.Hour)
	first := today.AddDate(0, 0, 1-benchDays)
	for month := time.Date(first.Year(), first.Month(), 1, 0, 0, 0, 0, time.UTC); month.Before(now.AddDate(0, -1, 0)) || month.Month() != now.Month(); month = month.AddDate(0, 1, 0) {
		for _, table := range []string{"ai_usage_logs", "ai_refusals", "usage_sums"} {
			name := table + month.Format("_2006_01")
			exec(t, admin, "CREATE TABLE IF NOT EXISTS "+name+" PARTITION OF "+table+" FOR VALUES FROM ('"+month.Format(time.RFC3339)+"') TO ('"+month.AddDate(0, 1, 0).Format(time.RFC3339)+"')")
		}
	}
	for _, table := range []string{"ai_usage_logs", "ai_refusals"} {
		exec(t, admin, "ALTER TABLE "+table+" DISABLE TRIGGER USER")
	}
	for day := first; day.Before(now); day = day.AddDate(0, 0, 1) {
		exec(t, admin, generateDay, day, calls/benchDays, now)
		exec(t, admin, generateRefusals, day)
	}
	for _, table := range []string{"ai_usage_logs", "ai_refusals"} {
		exec(t, admin, "ALTER TABLE "+table+" ENABLE TRIGGER USER")
		exec(t, admin, "VACUUM (ANALYZE) "+table)
	}
	exec(t, admin, "UPDATE usage_progress SET complete_from = 'infinity', users_until = date_bin('15 minutes', now() - interval '20 minutes', '2000-01-01Z')")
	t.Logf("generated in %s", time.Since(begin).Round(time.Second))
}

// addUpPast makes the sums of all days, as the leader does.
func addUpPast(t *testing.T, admin *pgxpool.Pool, now time.Time) {
	begin, days, longest := time.Now(), 0, time.Duration(0)
	for {
		started := time.Now()
		var day *time.Time
		testkit.Must(t, admin.QueryRow(t.Context(), "SELECT roll_up_past()").Scan(&day))
		longest = max(longest, time.Since(started))
		for added := 20_000; added == 20_000; {
			testkit.Must(t, admin.QueryRow(t.Context(), "SELECT roll_up_usage(20000)").Scan(&added))
		}
		if day == nil {
			break
		}
		days++
	}
	exec(t, admin, "VACUUM (ANALYZE) usage_sums")
	exec(t, admin, "VACUUM (ANALYZE) usage_changes")
	t.Logf("%d days added up in %s; one held up writers for %s at most", days, time.Since(begin).Round(time.Second), longest.Round(time.Millisecond))
}

type asking func(ctx context.Context, random *rand.Rand) error

// benchUsage are the queries of usage, by name.
func benchUsage(now time.Time, reader *history.Reader) map[string]asking {
	all := map[string]asking{}
	acme, holding := history.As{Tenant: "acme", Admin: true}, history.As{Tenant: "holding", Admin: true}
	ana := func(r *rand.Rand) history.As {
		return history.As{Tenant: "acme", User: fmt.Sprintf("user-%d@example.com", r.IntN(benchUsers))}
	}
	add := func(as func(*rand.Rand) history.As, who string, days int, zoneName string, query history.UsageQuery) {
		zone, err := time.LoadLocation(zoneName)
		if err != nil {
			panic(err)
		}
		local := now.In(zone)
		query.To = time.Date(local.Year(), local.Month(), local.Day()+1, 0, 0, 0, 0, zone)
		query.From, query.Zone = query.To.AddDate(0, 0, -days), zone
		if slices.Contains(query.By, history.ByLabel) {
			query.Label = "cost-centre"
		}
		name := fmt.Sprintf("usage of %s by %v, %d days, %s", who, query.By, days, zoneName)
		if len(query.Where.Models) > 0 {
			name += ", of a model"
		}
		all[name] = func(ctx context.Context, r *rand.Rand) error {
			_, err := reader.Usage(ctx, as(r), query)
			return err
		}
	}
	admin := func(*rand.Rand) history.As { return acme }
	const west, half = "America/Argentina/Buenos_Aires", "Asia/Kolkata"
	for _, d := range history.UsageDimensions() {
		days := 92
		if d == history.ByHour {
			days = 31
		}
		for _, zone := range []string{"UTC", west, half} {
			add(admin, "a tenant", days, zone, history.UsageQuery{By: []history.Dimension{d}})
			add(admin, "a tenant", 31, zone, history.UsageQuery{By: []history.Dimension{d}})
		}
		add(ana, "a user", days, west, history.UsageQuery{By: []history.Dimension{d}})
	}
	for _, by := range [][]history.Dimension{
		{history.ByDay, history.ByModel}, {history.ByDay, history.ByUser}, {history.ByDay, history.ByGroup}, {history.ByUser, history.ByModel}, {history.ByWeek, history.ByUser},
		{history.ByMonth, history.ByUser}, {history.ByGroup, history.ByModel}, {history.ByLabel, history.ByMonth}, {history.ByProvider, history.ByOutcome},
		{history.ByModel, history.ByDecision}, {history.ByCredential, history.ByEndpoint}, {history.ByDay, history.ByTier},
	} {
		for _, zone := range []string{west, half} {
			add(admin, "a tenant", 31, zone, history.UsageQuery{By: by})
		}
	}
	add(admin, "a tenant", 7, west, history.UsageQuery{By: []history.Dimension{history.ByHour, history.ByUser}})
	add(admin, "a tenant", 7, half, history.UsageQuery{By: []history.Dimension{history.ByHour, history.ByModel}})
	add(admin, "a tenant", 1, half, history.UsageQuery{By: []history.Dimension{history.ByHour, history.ByUser}})
	add(admin, "a tenant", 31, west, history.UsageQuery{By: []history.Dimension{history.ByUser}, Where: history.Filter{Models: []string{"model-3"}}})
	add(func(*rand.Rand) history.As { return holding }, "a tenant below", 92, west, history.UsageQuery{By: []history.Dimension{history.ByDay, history.ByModel}, Tenants: []string{"acme"}})
	return all
}

// benchLists are the lists, by name: a page anywhere in three months.
func benchLists(now time.Time, reader *history.Reader) map[string]asking {
	all := map[string]asking{}
	for name, where := range map[string]history.Filter{
		"": {}, " of a user": {Users: []string{"user-77@example.com"}}, " of a rare user": {Users: []string{"user-499@example.com"}}, " of a model": {Models: []string{"model-3"}},
		" of a rare decision": {Decisions: []string{"Fallback"}}, " of a group": {Groups: []string{"team-7"}}, " of a cost centre": {Labels: map[string]string{"cost-centre": "7"}},
		" of a model that nobody called": {Models: []string{"none"}},
	} {
		for kind, list := range map[string]func(context.Context, history.As, history.ListQuery) (history.CallPage, error){"calls": reader.ListCalls, "refusals": reader.ListRefusals} {
			all["a page of "+kind+name] = func(ctx context.Context, r *rand.Rand) error {
				to := now.Add(-time.Duration(r.IntN(80*24)) * time.Hour)
				_, err := list(ctx, history.As{Tenant: "acme", Admin: true}, history.ListQuery{From: now.AddDate(0, 0, -benchDays), To: to, Where: where})
				return err
			}
		}
	}
	all["a call"] = func(ctx context.Context, r *rand.Rand) error {
		day := now.AddDate(0, 0, -r.IntN(benchDays-1)-1)
		_, err := reader.Call(ctx, history.As{Tenant: "acme", Admin: true}, fmt.Sprintf("call-%s-%d", day.Format(time.DateOnly), 1+r.IntN(1000)))
		return err
	}
	return all
}

// measure logs how long answers take.
func measure(t *testing.T, name string, ask func() error) {
	t.Helper()
	took := make([]time.Duration, benchRuns)
	for i := range took {
		begin := time.Now()
		testkit.Must(t, ask())
		took[i] = time.Since(begin)
	}
	slices.Sort(took)
	p95 := took[benchRuns*95/100-1]
	t.Logf("%6.1f ms median, %6.1f ms p95: %s", float64(took[benchRuns/2].Microseconds())/1000, float64(p95.Microseconds())/1000, name)
	if p95 > benchAtMost {
		t.Errorf("%s: %s, want %s", name, p95, benchAtMost)
	}
}

// checkTotals compares sums by each dimension with the ledger.
func checkTotals(t *testing.T, admin *pgxpool.Pool, reader *history.Reader, now time.Time) {
	to := now.Truncate(24*time.Hour).AddDate(0, 0, 1)
	for _, from := range []time.Time{to.AddDate(0, 0, -benchDays), to.AddDate(0, 0, -31).Add(-3 * time.Hour)} {
		var calls, cost, tokens, refused int64
		testkit.Must(t, admin.QueryRow(t.Context(), `SELECT count(*), sum(cost_nanos)::bigint, sum(input_tokens + output_tokens)::bigint,
			(SELECT count(*) FROM ai_refusals WHERE refused_at >= $1 AND refused_at < $2) FROM ai_usage_logs WHERE admitted_at >= $1 AND admitted_at < $2`, from, to).Scan(&calls, &cost, &tokens, &refused))
		for _, d := range history.UsageDimensions() {
			query := history.UsageQuery{From: from, To: to, By: []history.Dimension{d}}
			if d == history.ByLabel {
				query.Label = "cost-centre"
			}
			if d == history.ByHour {
				query.By = nil
			}
			usage, err := reader.Usage(t.Context(), history.As{Tenant: "acme", Admin: true}, query)
			testkit.Must(t, err)
			if s := usage.Total; s.Calls != calls || int64(s.Cost) != cost || s.Tokens.Input+s.Tokens.Output != tokens || s.Refused != refused {
				t.Errorf("from %s by %s: %+v, but the ledger has %d calls of %d nano-dollars, %d tokens, %d refused ones", from, d, s, calls, cost, tokens, refused)
			}
		}
		t.Logf("from %s: %d calls of %d nano-dollars, and %d refused ones, by each dimension as in the ledger", from.Format(time.DateOnly), calls, cost, refused)
	}
}
