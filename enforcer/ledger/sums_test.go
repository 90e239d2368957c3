package ledger_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/ledger"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// wrongSums are the spans of which sums are not the ledger: those of all users, and those of each
// user until users_until.
const wrongSums = `
WITH used AS (
  SELECT tenant_id, user_id, groups, model, outcome, admitted_at AS at, 1 AS calls, 0 AS refused, input_tokens, cost_nanos, held_nanos, saved_nanos FROM ai_usage_logs
  UNION ALL
  SELECT tenant_id, user_id, groups, model, reason, refused_at, 0, 1, 0, 0, 0, 0 FROM ai_refusals
), spans (minutes, summed_by) AS (
  VALUES (15, 'Call'), (60, 'Call'), (360, 'Call'), (1440, 'Call'), (60, 'User'), (360, 'User'), (1440, 'User'), (14400, 'User'),
         (60, 'Both'), (1440, 'Both'), (14400, 'Both')
), recorded AS (
  SELECT minutes, summed_by, usage_span(minutes, at) AS starts_at, tenant_id, CASE WHEN summed_by <> 'Call' THEN user_id END AS user_id,
         CASE WHEN summed_by <> 'Call' THEN groups END AS groups, CASE WHEN summed_by <> 'User' THEN model END AS model, CASE WHEN summed_by <> 'User' THEN outcome END AS outcome,
         sum(calls) AS calls, sum(refused) AS refused, sum(input_tokens) AS input, sum(cost_nanos) AS cost, sum(held_nanos) AS held, sum(saved_nanos) AS saved
  FROM used, spans, usage_progress WHERE summed_by = 'Call' OR at < users_until GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
), summed AS (
  SELECT minutes, summed_by, starts_at, tenant_id, user_id, CASE WHEN summed_by <> 'Call' THEN groups END AS groups,
         CASE WHEN summed_by <> 'User' THEN model END AS model, CASE WHEN summed_by <> 'User' THEN outcome END AS outcome,
         sum(calls) AS calls, sum(refused) AS refused, sum(input_tokens) AS input, sum(cost_nanos) AS cost, sum(held_nanos) AS held, sum(saved_by_downgrade_nanos) AS saved
  FROM (
    SELECT minutes, summed_by, starts_at, tenant_id, user_id, groups, model, outcome, calls, refused, input_tokens, cost_nanos, held_nanos, saved_by_downgrade_nanos FROM usage_sums
    UNION ALL
    SELECT minutes, summed_by, usage_span(minutes, starts_at), tenant_id, user_id, groups, model, outcome,
           calls, refused, input_tokens, cost_nanos, held_nanos, saved_by_downgrade_nanos
    FROM usage_changes JOIN spans ON (summed_by = 'Call') = (user_id IS NULL)) AS all_sums
  GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 HAVING sum(calls) <> 0 OR sum(refused) <> 0
)
SELECT 'only in the ledger: ' || d::text FROM (SELECT * FROM recorded EXCEPT SELECT * FROM summed) AS d
UNION ALL
SELECT 'only in the sums: ' || d::text FROM (SELECT * FROM summed EXCEPT SELECT * FROM recorded) AS d`

// checkSums checks that the sums are the ledger, to the nano-dollar.
func (db database) checkSums(t *testing.T) {
	t.Helper()
	rows, err := db.admin.Query(t.Context(), wrongSums)
	testkit.Must(t, err)
	wrong, err := pgx.CollectRows(rows, pgx.RowTo[string])
	testkit.Must(t, err)
	for _, line := range wrong[:min(len(wrong), 10)] {
		t.Error(line)
	}
}

// TestSumsAreTheLedger: several enforcers write calls, write them again, charge those of dead
// ones in full and tell their true cost, and write refused calls, all at once, while sums are rolled up,
// quarter by quarter, and days made anew. The sums are the ledger.
func TestSumsAreTheLedger(t *testing.T) {
	const seed = 20
	db := newDatabase(t, server)
	ctx := t.Context()
	begin := time.Now().UTC().Add(-6 * time.Hour).Truncate(15 * time.Minute)
	_, err := db.admin.Exec(ctx, "UPDATE usage_progress SET users_until = $1", begin.Add(time.Hour))
	testkit.Must(t, err)
	writing, done := context.WithCancel(ctx)
	defer done()
	var manager, enforcers sync.WaitGroup
	manager.Go(func() { rollUp(writing, t, db) })
	for i := range uint64(4) {
		enforcers.Go(func() { writeAtRandom(t, db, rand.New(rand.NewPCG(seed, i)), begin) })
	}
	enforcers.Wait()
	db.checkSums(t)
	done()
	manager.Wait()
	for _, statement := range []string{"SELECT rebuild_usage((now() AT TIME ZONE 'UTC')::date)", "SELECT roll_up_usage(1000000)"} {
		_, err := db.admin.Exec(ctx, statement)
		testkit.Must(t, err)
		db.checkSums(t)
	}
	var calls, amended, sums int
	testkit.Must(t, db.admin.QueryRow(ctx, "SELECT count(*), count(amended_at), (SELECT count(*) FROM usage_sums) FROM ai_usage_logs").Scan(&calls, &amended, &sums))
	if calls == 0 || amended == 0 || sums == 0 {
		t.Errorf("%d calls, %d of them amended, %d sums: want some of each", calls, amended, sums)
	}
	t.Logf("seed %d: %d calls, %d of them amended, in %d sums", seed, calls, amended, sums)
}

// rollUp does what the manager that leads does, as fast as it can, until ctx ends.
func rollUp(ctx context.Context, t *testing.T, db database) {
	for ctx.Err() == nil {
		for _, statement := range []string{
			"SELECT sum_users()", "SELECT roll_up_usage(7)", "SELECT roll_up_usage(100)", "SELECT rebuild_usage((now() AT TIME ZONE 'UTC')::date)",
		} {
			if _, err := db.admin.Exec(context.WithoutCancel(ctx), statement); err != nil {
				t.Error(err)
				return
			}
		}
	}
}

// writeAtRandom writes batches of calls, of which some are those of others.
func writeAtRandom(t *testing.T, db database, random *rand.Rand, begin time.Time) {
	w := ledger.NewWriter(db.enforcer, &memory{}, discard)
	refusals := record(t, db.enforcer)
	for range 60 {
		batch := make([]ledgerv1.Entry, 1+random.IntN(12))
		for i := range batch {
			n := random.IntN(300)
			e := entry(number(n)) // with the same n it is the same call
			e.User, e.Model, e.Groups = fmt.Sprint("user-", n%5), fmt.Sprint("model-", n%3), []string{fmt.Sprint(n % 2)}
			e.AdmittedAt = begin.Add(time.Duration(n) * time.Minute)
			e.Cost, e.Held, e.Saved = money.Nanos(n), money.Nanos(2*n), money.Nanos(n%7)
			e.Decision = ledgerv1.Replaced
			if random.IntN(2) == 0 {
				e = charged(e)
				e.Saved = 0
			}
			batch[i] = e
		}
		if _, err := w.Write(context.WithoutCancel(t.Context()), batch); err != nil {
			t.Error(err)
			return
		}
		r := refusal(fmt.Sprint("refused-", random.IntN(100)))
		r.RefusedAt = begin.Add(time.Duration(random.IntN(300)) * time.Minute)
		refusals.Add(r)
	}
}

// BenchmarkSums compares how many calls a second one enforcer can record with the sums, while the
// leader rolls them up, and without: turn by turn, so that both have the same machine. The calls are
// of 500 users, who have a few models each.
func BenchmarkSums(b *testing.B) {
	db := newDatabase(b, server)
	w := start(b, db.enforcer, &memory{})
	exec := func(statement string) {
		_, err := db.admin.Exec(b.Context(), statement)
		testkit.Must(b, err)
	}
	const atOnce = 5000
	n, took := 0, map[string]time.Duration{}
	turn := func(triggers string) {
		exec("ALTER TABLE ai_usage_logs " + triggers + " TRIGGER USER")
		begin := time.Now()
		for range atOnce {
			n++
			e := entry(number(n))
			user := n * 7919 % 500
			e.User, e.Credential = fmt.Sprintf("user-%d@example.com", user), fmt.Sprintf("acme/key-%d", user)
			e.Model, e.Groups = fmt.Sprintf("model-%d", user%7+n%3), []string{fmt.Sprint("team-", user%20)}
			e.AdmittedAt = begin.Add(time.Duration(n%1000) * time.Millisecond)
			w.Add(e)
		}
		flush(b, w)
		took[triggers] += time.Since(begin)
	}
	turn("ENABLE") // to warm up
	clear(took)
	rolling, stop := context.WithCancel(b.Context())
	var leader sync.WaitGroup
	leader.Go(func() {
		for rolling.Err() == nil {
			if _, err := db.admin.Exec(b.Context(), "SELECT roll_up_usage(20000)"); err != nil {
				b.Error(err)
			}
			select {
			case <-rolling.Done():
			case <-time.After(time.Second): // the leader waits 15 times as long
			}
		}
	})
	turns := 0
	for b.Loop() {
		turn("DISABLE")
		turn("ENABLE")
		turns++
	}
	stop()
	leader.Wait()
	rate := func(triggers string) float64 { return float64(turns*atOnce) / took[triggers].Seconds() }
	b.ReportMetric(rate("DISABLE"), "without/s")
	b.ReportMetric(rate("ENABLE"), "with/s")
	b.ReportMetric(rate("ENABLE")/rate("DISABLE"), "ratio")
}
