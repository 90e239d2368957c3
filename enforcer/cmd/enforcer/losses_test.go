package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/hack/parts/controlplane"
	"github.com/bursar-dev/bursar/hack/parts/relay"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// recovered has the limiter rebuilt whenever that has to be, from the epoch on that
// configure has opened.
func (w *world) recovered() {
	w.t.Helper()
	_, err := w.ledger.Exec(w.t.Context(), "UPDATE limiter_epoch SET taken = 1, opened = 1")
	testkit.Must(w.t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		controlplane.Recover(w.t.Context(), w.redis, w.ledger, acme)
	}()
	w.t.Cleanup(func() { <-done })
}

// reachedBy is a way to a server that can be cut.
func (w *world) reachedBy(url string) (r *relay.Relay, through string) {
	w.t.Helper()
	r, through, err := relay.StartTo(url)
	testkit.Must(w.t, err)
	w.t.Cleanup(func() { _ = r.Stop() })
	return r, through
}

// currentEpoch is the epoch in Redis.
func (w *world) currentEpoch() (epoch limiterv1.Epoch) {
	w.t.Helper()
	raw, _ := w.redis.Get(w.t.Context(), limiterv1.EpochKey).Bytes()
	if len(raw) > 0 {
		testkit.Must(w.t, json.Unmarshal(raw, &epoch))
	}
	return epoch
}

// penny is a call of a cent.
var penny = chat("penny", "[[output=1]]")

// spend makes calls of a cent through enforcers, side by side, until the limit refuses,
// and returns how many were admitted.
func spend(t *testing.T, enforcers ...*running) (admitted int) {
	t.Helper()
	var mu sync.Mutex
	var callers sync.WaitGroup
	deadline := time.Now().Add(30 * time.Second)
	for _, e := range enforcers {
		for range 4 {
			callers.Go(func() {
				for time.Now().Before(deadline) {
					switch got := e.call("gerente-1", penny); got.status {
					case http.StatusOK:
						mu.Lock()
						admitted++
						mu.Unlock()
					case http.StatusTooManyRequests:
						return
					}
				}
				t.Error("the limit does not refuse")
			})
		}
	}
	callers.Wait()
	return admitted
}

// admitsAgain waits until an enforcer admits a call of a cent, and returns how long it took.
func admitsAgain(t *testing.T, e *running) time.Duration {
	t.Helper()
	since := time.Now()
	testkit.Eventually(t, "a call is admitted again", func() bool { return e.call("gerente-1", penny).status == http.StatusOK })
	return time.Since(since).Round(time.Millisecond)
}

// TestForgottenWhileOneCannotReachTheLedger: Redis forgets everything while Postgres is
// out of one enforcer's reach. Its settled calls, which no ledger has, count all the same,
// and nobody waits for Postgres.
func TestForgottenWhileOneCannotReachTheLedger(t *testing.T) {
	w := newWorld(t)
	revision := w.configure()
	w.recovered()
	toPostgres, url := w.reachedBy(w.database.Enforcer)
	first, cutOff := w.start(), w.start(func(o *options) { o.databaseURL = url })
	for _, e := range []*running{first, cutOff} {
		testkit.Eventually(t, "the enforcer runs the configuration", func() bool { return w.runs(e, revision) })
	}
	admitted := 0
	call := func(calls int) {
		for range calls {
			if got := cutOff.call("gerente-1", penny); got.status != http.StatusOK {
				t.Fatalf("call: %d %s", got.status, got.body)
			}
			admitted++
		}
	}
	call(30)
	w.rows(30)
	toPostgres.Cut()
	call(20)
	stream := cutOff.open("gerente-1", chat("penny", "[[output=1 pause=1]]", `"stream":true`))
	testkit.Eventually(t, "the provider holds the stream", func() bool { return w.provider.Paused() == 1 })
	admitted++

	testkit.Must(t, w.redis.FlushAll(t.Context()).Err())
	took := admitsAgain(t, first)
	admitted++
	w.provider.Resume()
	if got := stream.read(); !strings.HasSuffix(got.body, "data: [DONE]\n\n") {
		t.Errorf("the stream: %s %v", got.body, got.err)
	}
	if admitted += spend(t, first, cutOff); admitted != 100 {
		t.Errorf("%d calls of a cent were admitted of a dollar", admitted)
	}
	toPostgres.Mend()
	rows := w.rows(admitted)
	w.likeTheBill(rows)
	w.epoch = w.currentEpoch().Number
	w.atRest(rows)
	t.Logf("20 settled calls only in memory, 1 open: the next call was admitted %s after the loss; $%.2f of $1.00", took, float64(admitted)/100)
}
