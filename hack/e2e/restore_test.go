package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestPostgresComesBackOld: Postgres is restored to an earlier time while Redis keeps running. The
// ledger has lost what was recorded since. Calls are served, Redis still counts what was lost, and an
// Event reports it. Only if Redis is then lost, too, and rebuilt from that ledger, is the limit
// exceeded, by no more than what was lost.
func TestPostgresComesBackOld(t *testing.T) {
	const tenant = "restored"
	newTenant(t, tenant, "1.00")
	inLedger := func(n int) func() bool { return func() bool { calls, _ := ledger(t, tenant); return calls == n } }
	spend(t, tenant, 30)
	eventually(t, "30 calls are in the ledger", inLedger(30))
	testkit.Must(t, bursar.BackUpPostgres(t.Context()))
	spend(t, tenant, 20)
	eventually(t, "50 calls are in the ledger", inLedger(50))

	begun := time.Now()
	testkit.Must(t, bursar.RestorePostgres(t.Context()))
	if !inLedger(30)() {
		t.Fatal("the ledger is not that of before")
	}
	spend(t, tenant, 1)
	t.Logf("Postgres was stopped, restored and started in %s, and the next call was admitted", time.Since(begun).Round(100*time.Millisecond))
	eventually(t, "the ledger goes on", inLedger(31))
	begun = time.Now()
	eventually(t, "somebody is told what the ledger lacks", func() bool {
		out, err := bursar.RunKubectl(t.Context(), "-n", "e2e", "get", "events", "-o", `jsonpath={range .items[?(@.reason=="DriftFound")]}{.regarding.name}{.involvedObject.name}{" "}{end}`)
		return err == nil && strings.Contains(out, tenant)
	})
	t.Logf("the Event DriftFound told what the ledger lacks after %s", time.Since(begun).Round(100*time.Millisecond))
	eventually(t, "the status is what Redis remembers", func() bool { return statusOf(t, tenant) == "0.51 0.00 True" })

	testkit.Must(t, redisClient(t).FlushAll(t.Context()).Err())
	eventually(t, "the counters are those of the ledger", func() bool { return statusOf(t, tenant) == "0.31 0.00 True" })
	l := startLoad(t, tenant, 4, 20*time.Millisecond)
	eventually(t, "the limit refuses", func() bool { return l.count(http.StatusTooManyRequests) > 0 })
	l.end()
	eventually(t, "the ledger has the dollar, and no more", inLedger(100))
	t.Logf("in all, %d calls of a cent were admitted where 100 fit: the 20 that the ledger has lost are beyond", 51+l.count(http.StatusOK))
	if got := 51 + l.count(http.StatusOK); got != 120 {
		t.Errorf("%d calls were admitted, want 100 and the 20 that were lost", got)
	}
}

// spend makes so many calls of a cent, each of which must be admitted in the end.
func spend(t *testing.T, tenant string, calls int) {
	t.Helper()
	for range calls {
		eventually(t, "a call is admitted", func() bool { status, _ := penny(t, tenant); return status == http.StatusOK })
	}
}
