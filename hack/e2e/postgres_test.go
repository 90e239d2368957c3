package e2e

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestPostgresIsAway: while Postgres is away, calls are served. When it is back, the ledger
// has each of them once, to the nano-dollar of the provider's bill, without manual work.
// BURSAR_FAULTS_POSTGRES says how long it is away.
func TestPostgresIsAway(t *testing.T) {
	newTenant(t, "unwritten", "1000000")
	recorded := func() int64 { calls, _ := ledger(t, "unwritten"); return int64(calls) }
	l := startLoad(t, "unwritten", 8, 20*time.Millisecond)
	eventually(t, "calls are in the ledger", func() bool { return recorded() >= 100 })
	t.Logf("from the end of a call to its row, while Postgres is there: %s", delays(t, "unwritten"))

	if err := bursar.CrashPostgres(); err != nil {
		t.Fatal(err)
	}
	gone, before := time.Now(), l.count(http.StatusOK)
	time.Sleep(longer(t, "BURSAR_FAULTS_POSTGRES"))
	meanwhile := l.count(http.StatusOK) - before
	if meanwhile == 0 {
		t.Error("no call was admitted without Postgres")
	}
	if err := bursar.StartPostgres(t.Context()); err != nil {
		t.Fatal(err)
	}
	back, after := time.Now(), l.count(http.StatusOK)
	testkit.Within(t, 5*time.Minute, "the calls of before are in the ledger", func() bool { return recorded() >= after })
	t.Logf("away for %s, in which %d calls were answered: all of them were in the ledger %s after its start",
		back.Sub(gone).Round(time.Second), meanwhile, time.Since(back).Round(10*time.Millisecond))
	l.end()

	if refused := l.count(http.StatusTooManyRequests) + l.count(http.StatusServiceUnavailable) + l.failed.Load(); refused > 0 {
		t.Errorf("%d calls were refused or failed", refused)
	}
	want := l.count(http.StatusOK)
	eventually(t, "the ledger has all", func() bool { return recorded() >= want })
	rows, bill := ledgerByCall(t, "unwritten"), providerBill(t)
	var lost, double, off int
	for id, row := range rows {
		switch billed, ok := bill[id]; {
		case row.rows > 1:
			double++
		case !ok || billed != row.cost:
			off++
		}
	}
	lost = int(want) - len(rows)
	t.Logf("%d calls in all: %d lost, %d double, %d other than the bill", want, lost, double, off)
	if lost != 0 || double != 0 || off != 0 {
		t.Errorf("%d lost, %d double, %d other than the bill; want none", lost, double, off)
	}
	eventually(t, "the status has what the ledger has", func() bool {
		return statusOf(t, "unwritten") == fmt.Sprintf("%d.%02d 0.00 True", want/100, want%100)
	})
}

// delays are the times from a call's end to its row in the ledger.
func delays(t *testing.T, tenant string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), bursar.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	var calls int
	var of []float64
	if err := conn.QueryRow(t.Context(), `
SELECT count(*), percentile_cont(ARRAY[0.5, 0.9, 0.99, 1]) WITHIN GROUP (ORDER BY extract(epoch FROM recorded_at - settled_at) * 1000)
FROM ai_usage_logs WHERE tenant_id = $1`, tenant).Scan(&calls, &of); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d calls, p50 %.0f ms, p90 %.0f ms, p99 %.0f ms, most %.0f ms", calls, of[0], of[1], of[2], of[3])
}
