package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/hack/parts/redis"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestShutdownMidStream: the stream finishes, its call is settled and in the
// ledger, the session is gone, and the enforcer ends well.
func TestShutdownMidStream(t *testing.T) {
	w := newWorld(t)
	e := w.ready()
	stream := e.open("gerente-1", chat("gpt-4o", "[[output=9 pause=4]]", `"stream":true`, `"max_completion_tokens":20`))
	testkit.Eventually(t, "the provider holds the stream", func() bool { return w.provider.Paused() == 1 })

	e.stop()
	testkit.Eventually(t, "the port is closed", func() bool { return !listens(e.callsAt.Addr().String()) })
	if got := e.probe("/readyz"); got.status != 503 || got.body != "shutting down\n" {
		t.Errorf("readyz says %d %q while it shuts down", got.status, got.body)
	}
	if got := e.probe("/healthz"); got.status != 200 {
		t.Errorf("healthz says %d %q while it shuts down", got.status, got.body)
	}
	// Settling takes its time now: the enforcer must wait for it.
	testkit.Must(t, w.redis.Do(t.Context(), "CLIENT", "PAUSE", 300, "WRITE").Err())
	w.provider.Resume()
	got := stream.read()
	if want := w.direct(got.header.Get(call.CallIDHeader), chat("gpt-4o", "[[output=9]]", `"stream":true`, `"max_completion_tokens":20`)); got.body != want.body || got.err != nil {
		t.Errorf("the stream did not finish: %v\n got %s\nwant %s", got.err, got.body, want.body)
	}
	if err := e.shutDown(); err != nil {
		t.Fatal(err)
	}
	// All of it was done before the enforcer ended, so nobody has to wait for it.
	var outcome string
	var cost int64
	testkit.Must(t, w.ledger.QueryRow(t.Context(), `SELECT outcome, cost_nanos FROM ai_usage_logs`).Scan(&outcome, &cost))
	if bill := w.provider.Bill().Calls[0].CostNanos; outcome != "Settled" || cost != bill {
		t.Errorf("the ledger has %s at %d, the provider bills %d", outcome, cost, bill)
	}
	sessions, err := w.redis.ZRange(t.Context(), limiterv1.SessionsKey, 0, -1).Result()
	testkit.Must(t, err)
	if calls := w.remembered(); calls > 0 || len(sessions) > 0 {
		t.Errorf("left in Redis: %d calls, sessions %v", calls, sessions)
	}
}

// TestShutdownDelay: calls are served for a while after the enforcer is told to end, while it is not
// ready, and each has its client close the connection, so that none meets the end of it.
func TestShutdownDelay(t *testing.T) {
	w := newWorld(t)
	w.configure()
	e := w.start(func(o *options) { o.shutdownDelay = 3 * time.Second })
	testkit.Eventually(t, "the enforcer is configured", func() bool { return e.call("gerente-1", "{}").status == 400 })
	if got := e.call("gerente-1", chat("gpt-4o", "hello")); got.status != 200 || got.closes {
		t.Fatalf("before: %d, closes the connection: %t, want 200 and an open one", got.status, got.closes)
	}
	e.stop()
	testkit.Eventually(t, "the enforcer is not ready", func() bool { return e.probe("/readyz").status == 503 })
	for _, request := range []string{chat("gpt-4o", "hello"), chat("gpt-4o", "hello", `"stream":true`), "{}"} {
		if got := e.call("gerente-1", request); got.status == 0 || got.status >= 500 || !got.closes {
			t.Errorf("%s: %d %v, closes the connection: %t, want an answer that does", request, got.status, got.err, got.closes)
		}
	}
	if err := e.shutDown(); err != nil {
		t.Error(err)
	}
	if listens(e.callsAt.Addr().String()) {
		t.Error("the port is open")
	}
	w.likeTheBill(w.rows(3))
}

// TestShutdownCannotWait: answers that take longer than the grace are cut, and charged by
// what was seen of them.
func TestShutdownCannotWait(t *testing.T) {
	w := newWorld(t)
	w.configure()
	e := w.start(func(o *options) { o.shutdownGrace = 50 * time.Millisecond })
	testkit.Eventually(t, "the enforcer is configured", func() bool { return e.call("gerente-1", "{}").status == 400 })
	stream := e.open("gerente-1", chat("gpt-4o", "[[output=9 pause=4]]", `"stream":true`))
	testkit.Eventually(t, "the provider holds the stream", func() bool { return w.provider.Paused() == 1 })
	if err := e.shutDown(); err != nil {
		t.Error(err)
	}
	if got := stream.read(); !strings.Contains(got.body, `data: {"error":`) || got.err != nil {
		t.Errorf("the client sees %s %v", got.body, got.err)
	}
	rows := w.rows(1)
	w.atRest(rows)
	for _, r := range rows {
		if bill := w.provider.Bill().TotalNanos; r.Outcome != "ChargedSeen" || int64(r.Cost) < bill || r.Cost >= r.Held {
			t.Errorf("the ledger has %+v, want what was seen; the bill is %d", r, bill)
		}
	}
}

// TestShutdownWhileRedisHangs: calls that cannot be settled any more are in the ledger at
// what they have cost, and stay so when others adopt what the enforcer has left.
func TestShutdownWhileRedisHangs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own, err := redis.Start(t.Context(), redis.Options{Dir: t.TempDir()})
	testkit.Must(t, err)
	defer func() { _ = own.Stop() }()
	w.redisURL, w.redis = own.URL, connect(t, own.Addr)
	w.configure()
	e := w.start(func(o *options) { o.settleGrace, o.flushGrace = 500*time.Millisecond, 2*time.Second })
	testkit.Eventually(t, "the enforcer is configured", func() bool { return e.call("gerente-1", "{}").status == 400 })
	stream := e.open("gerente-1", chat("gpt-4o", "[[output=9 pause=4]]", held))
	testkit.Eventually(t, "the provider holds the stream", func() bool { return w.provider.Paused() == 1 })

	testkit.Must(t, own.Pause())
	w.provider.Resume()
	if got := stream.read(); got.err != nil || !strings.HasSuffix(got.body, "data: [DONE]\n\n") {
		t.Errorf("the stream: %s %v", got.body, got.err)
	}
	var unsettled *call.UnsettledError
	if err := e.shutDown(); !errors.As(err, &unsettled) || unsettled.Calls != 1 {
		t.Errorf("the enforcer ends with %v, want one call not settled", err)
	}
	w.likeTheBill(w.rows(1))

	testkit.Must(t, own.Resume())
	other := w.start()
	w.awaitAdoption(e.session.ID())
	w.likeTheBill(w.rows(1))
	if err := other.shutDown(); err != nil { // before its Redis goes
		t.Error(err)
	}
}
