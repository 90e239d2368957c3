package ledger_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/ledger"
	"github.com/bursar-dev/bursar/hack/parts/process"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// wrongSums are the spans of which sums are not the ledger: those of all users, and those of each
// user until users_until.
const wrongSums = `
WITH used AS (
  SELECT tenant_id, user_id, groups, model, outcome, admitted_at AS at, 1 AS calls, 0 AS refused, input_tokens, cost_nanos, held_nanos, saved_nanos FROM ai_usage_logs
  UNION ALL
  SELECT tenant_id, user_id, groups, model, reason, refused_at, 0, 1, 0, 0, 0, 0 FROM ai_refusals
), spans AS (
  SELECT summed_by, of_users, unnest(minutes) AS minutes, summed_by IN ('User', 'Both') AS by_user, summed_by IN ('User', 'Group', 'Both') AS by_group,
         summed_by NOT IN ('Tenant', 'User') AS by_call
  FROM usage_kinds()
), recorded AS (
  SELECT minutes, summed_by, usage_span(zone, minutes, at) AS starts_at, tenant_id, CASE WHEN by_user THEN user_id END AS user_id,
         CASE WHEN by_group THEN groups END AS groups, CASE WHEN by_call THEN model END AS model, CASE WHEN by_call THEN outcome END AS outcome,
         sum(calls) AS calls, sum(refused) AS refused, sum(input_tokens) AS input, sum(cost_nanos) AS cost, sum(held_nanos) AS held, sum(saved_nanos) AS saved
  FROM used JOIN usage_calendars USING (tenant_id), spans, usage_progress WHERE NOT of_users OR at < users_until GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
), summed AS (
  SELECT minutes, summed_by, starts_at, tenant_id, CASE WHEN by_user THEN user_id END AS user_id, CASE WHEN by_group THEN groups END AS groups,
         CASE WHEN by_call THEN model END AS model, CASE WHEN by_call THEN outcome END AS outcome,
         sum(calls) AS calls, sum(refused) AS refused, sum(input_tokens) AS input, sum(cost_nanos) AS cost, sum(held_nanos) AS held, sum(saved_by_downgrade_nanos) AS saved
  FROM (
    SELECT minutes, summed_by, starts_at, tenant_id, user_id, groups, model, outcome, calls, refused, input_tokens, cost_nanos, held_nanos, saved_by_downgrade_nanos FROM usage_sums
    UNION ALL
    SELECT minutes, summed_by, usage_span(zone, minutes, starts_at), tenant_id, user_id, groups, model, outcome,
           calls, refused, input_tokens, cost_nanos, held_nanos, saved_by_downgrade_nanos
    FROM usage_changes JOIN usage_calendars USING (tenant_id) JOIN spans ON of_users = (user_id IS NOT NULL)) AS all_sums JOIN spans USING (summed_by, minutes)
  GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 HAVING sum(calls) <> 0 OR sum(refused) <> 0
)
SELECT 'only in the ledger: ' || d::text FROM (SELECT * FROM recorded EXCEPT SELECT * FROM summed) AS d
UNION ALL
SELECT 'only in the sums: ' || d::text FROM (SELECT * FROM summed EXCEPT SELECT * FROM recorded) AS d`

// rebuildToday makes the sums of the day on which the calls are anew.
const rebuildToday = "SELECT rebuild_usage(tenant_id, (now() AT TIME ZONE zone)::date) FROM usage_calendars"

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

// TestSumsAreTheLedger: several enforcers write calls, repeat them, charge those of dead sessions in full,
// tell their true cost, and write refused calls, all at the same time. Meanwhile, sums are rolled up quarter by
// quarter, days are made anew, and the time zone changes. In the end, the sums are equal to the ledger.
func TestSumsAreTheLedger(t *testing.T) {
	const seed = 20
	db := newDatabase(t, server)
	ctx := t.Context()
	begin := time.Now().UTC().Add(-6 * time.Hour).Truncate(15 * time.Minute)
	_, err := db.admin.Exec(ctx, "UPDATE usage_progress SET users_until = $1", begin.Add(time.Hour))
	testkit.Must(t, err)
	_, err = db.admin.Exec(ctx, "INSERT INTO tenants (tenant_id, namespace, budget, budget_uid, generation, time_zone) VALUES ($1, 'ns', 'budget', 'uid', 1, 'Asia/Kolkata')", entry(number(0)).Tenant)
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
	for _, statement := range []string{rebuildToday, "SELECT roll_up_usage(1000000)"} {
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
	zones := []string{"Asia/Kolkata", "America/Lima", "Europe/Madrid"}
	for n := 0; ctx.Err() == nil; n++ {
		for _, statement := range []string{
			"UPDATE tenants SET time_zone = '" + zones[n%len(zones)] + "'", "SELECT roll_up_past()",
			"SELECT sum_users()", "SELECT roll_up_usage(7)", "SELECT roll_up_usage(100)", rebuildToday,
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

// BenchmarkSums compares how many calls a second one enforcer can record with the sums, which are
// rolled up after each turn, and without, and how many rows a second Postgres copies, which is the
// floor: turn by turn, so that all have the same machine. Beside that is the processor time of
// Postgres a row. The calls are of 500 users, who have a few models each.
func BenchmarkSums(b *testing.B) {
	db := newDatabase(b, server)
	w := start(b, db.enforcer, &memory{})
	exec := func(statement string) {
		_, err := db.admin.Exec(b.Context(), statement)
		testkit.Must(b, err)
	}
	const atOnce = 5000
	n, took, spent := 0, map[string]time.Duration{}, map[string]time.Duration{}
	turn := func(name string, do func()) {
		before, err := process.FamilyTime(server.PID())
		testkit.Must(b, err)
		begin := time.Now()
		do()
		took[name] += time.Since(begin)
		after, err := process.FamilyTime(server.PID())
		testkit.Must(b, err)
		spent[name] += after - before
	}
	record := func() {
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
	}
	record() // to warm up
	rows := newCopied(b, db, atOnce)
	turns := 0
	for b.Loop() {
		exec("ALTER TABLE ai_usage_logs DISABLE TRIGGER USER")
		turn("without", record)
		exec("ALTER TABLE ai_usage_logs ENABLE TRIGGER USER")
		turn("with", func() { record(); exec("SELECT roll_up_usage(20000)") })
		exec("TRUNCATE copied")
		turn("copy", func() { rows.copy(b) })
		turns++
	}
	rate := func(name string) float64 { return float64(turns*atOnce) / took[name].Seconds() }
	for _, name := range []string{"without", "with", "copy"} {
		b.ReportMetric(rate(name), name+"/s")
		b.ReportMetric(float64(spent[name].Microseconds())/float64(turns*atOnce), name+"-postgres-us/row")
	}
	b.ReportMetric(rate("with")/rate("without"), "with/without")
	b.ReportMetric(rate("with")/rate("copy"), "with/copy")
	b.ReportMetric(spent["copy"].Seconds()/spent["with"].Seconds(), "copy/with-postgres")
}

// copied are rows of the ledger, to be copied to a table like it that has no triggers.
type copied struct {
	conn *pgxpool.Conn
	rows []byte
}

func newCopied(b *testing.B, db database, rows int) copied {
	b.Helper()
	conn, err := db.admin.Acquire(b.Context())
	testkit.Must(b, err)
	b.Cleanup(conn.Release)
	_, err = conn.Exec(b.Context(), "CREATE TABLE copied (LIKE ai_usage_logs INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)")
	testkit.Must(b, err)
	var buffer bytes.Buffer
	_, err = conn.Conn().PgConn().CopyTo(b.Context(), &buffer, fmt.Sprintf("COPY (SELECT * FROM ai_usage_logs LIMIT %d) TO STDOUT", rows))
	testkit.Must(b, err)
	return copied{conn, buffer.Bytes()}
}

func (c copied) copy(b *testing.B) {
	b.Helper()
	_, err := c.conn.Conn().PgConn().CopyFrom(b.Context(), bytes.NewReader(c.rows), "COPY copied FROM STDIN")
	testkit.Must(b, err)
}
