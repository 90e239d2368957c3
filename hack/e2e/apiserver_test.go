package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestRedisForgetsWhileTheAPIServerIsAway: the leader of two managers cannot renew its Lease,
// and ends. The other cannot become the leader, but rebuilds the limiter all the same, from what
// it remembers and from the ledger.
func TestRedisForgetsWhileTheAPIServerIsAway(t *testing.T) {
	newTenant(t, "no-api", "1.00")
	standby, err := bursar.StartManager(t.Context(), "manager-without-api")
	if err != nil {
		t.Fatal(err)
	}
	leader := handOver{api: apiClient(t)}.leader(t).Process()
	if leader == standby.Process() {
		t.Fatal("the manager that was started last leads")
	}
	redis := redisClient(t)
	l := startLoad(t, "no-api", 4, 50*time.Millisecond)
	eventually(t, "calls are admitted", func() bool { return l.count(http.StatusOK) >= 10 })
	l.end()

	if err := bursar.PauseAPIServer(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bursar.ResumeAPIServer() }()
	testkit.Within(t, time.Minute, "the leader ends", func() bool {
		select {
		case <-leader.Done():
			return true
		default:
			return false
		}
	})
	for i := range 3 {
		if err := redis.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		l = l.resume(t, 4)
		l.lose()
		eventually(t, "calls are admitted again", func() bool { return l.reopened.Load() > 0 })
		l.end()
		t.Logf("FLUSHALL %d without an API server: the next call was admitted after %s", i+1, time.Duration(l.reopened.Load()).Round(time.Millisecond))
	}
	if unknown := l.count(http.StatusUnauthorized) + l.count(http.StatusForbidden); unknown > 0 {
		t.Errorf("%d calls with a valid key were answered 401 or 403", unknown)
	}
	if err := bursar.ResumeAPIServer(); err != nil {
		t.Fatal(err)
	}
	l.resume(t, 4).nothingOverspent(t)
}
