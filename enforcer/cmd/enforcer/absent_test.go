package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/hack/parts/controlplane"
	"github.com/bursar-dev/bursar/hack/parts/ledgerdb"
	"github.com/bursar-dev/bursar/hack/parts/process"
	"github.com/bursar-dev/bursar/hack/parts/redis"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestRedisIsAbsentAtFirst: the enforcer starts, says that it is not ready, refuses
// calls, and recovers by itself.
func TestRedisIsAbsentAtFirst(t *testing.T) {
	w := newWorld(t)
	port, err := process.FreePort()
	testkit.Must(t, err)
	w.redisURL = fmt.Sprintf("redis://127.0.0.1:%d/0", port)
	e := w.start()
	refused := func() answer { return e.call("gerente-1", chat("gpt-4o-mini", "[[output=1]]")) }
	if got := refused(); got.status != 503 || got.header.Get("Retry-After") != "1" || !strings.Contains(got.body, "limiter_unavailable") {
		t.Errorf("without Redis: %d %v %s", got.status, got.header, got.body)
	}
	if got := e.probe("/readyz"); got.status != 503 {
		t.Errorf("readyz says %d without Redis", got.status)
	}
	if got := e.probe("/healthz"); got.status != 200 {
		t.Errorf("healthz says %d without Redis", got.status)
	}

	late, err := redis.Start(t.Context(), redis.Options{Port: port})
	testkit.Must(t, err)
	defer func() { _ = late.Stop() }()
	// Redis is there, and no manager has written to it.
	testkit.Eventually(t, "readyz says why not", func() bool {
		got := e.probe("/readyz")
		return got.status == 503 && strings.Contains(got.body, "no configuration")
	})
	if got := refused(); got.status != 503 {
		t.Errorf("without a configuration: %d %s", got.status, got.body)
	}
	w.redis = connect(t, late.Addr)
	revision := w.configure()
	testkit.Eventually(t, "the enforcer runs the configuration", func() bool { return w.runs(e, revision) })
	testkit.Eventually(t, "readyz says yes", func() bool { return e.probe("/readyz").status == 200 })
	if got := refused(); got.status != 200 {
		t.Errorf("with everything there: %d %s", got.status, got.body)
	}
	rows := w.rows(1)
	w.atRest(rows)
	if err := e.shutDown(); err != nil { // before its Redis goes
		t.Error(err)
	}
}

// TestRedisGoesWhileCallsAreOpen: they end with the truth once it is back, and
// nothing is admitted in between.
func TestRedisGoesWhileCallsAreOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	opts := redis.Options{Dir: t.TempDir(), AppendOnly: true}
	own, err := redis.Start(t.Context(), opts)
	testkit.Must(t, err)
	opts.Port = own.Port
	w.redisURL, w.redis = own.URL, connect(t, own.Addr)
	e := w.ready()
	go controlplane.Recover(t.Context(), w.redis, w.ledger, acme)
	stream := e.open("gerente-1", chat("gpt-4o", "[[output=9 pause=4]]", `"stream":true`))
	testkit.Eventually(t, "the provider holds the stream", func() bool { return w.provider.Paused() == 1 })

	testkit.Must(t, own.Stop())
	if got := e.call("gerente-1", chat("gpt-4o-mini", "[[output=1]]")); got.status != 503 {
		t.Errorf("a call without Redis: %d %s", got.status, got.body)
	}
	w.provider.Resume()
	if got := stream.read(); got.err != nil || !strings.HasSuffix(got.body, "data: [DONE]\n\n") {
		t.Errorf("the stream: %s %v", got.body, got.err)
	}
	testkit.Eventually(t, "the enforcer has noticed", func() bool {
		return strings.Contains(e.probe("/metrics").body, "bursar_enforcer_store_available 0")
	})
	// If it were not ready, the Service would have no endpoints: callers would get no answer, and
	// tenants with AllowBounded could not use their shares.
	if got := e.probe("/readyz"); got.status != 200 {
		t.Errorf("readyz says %d %s while Redis is away, want 200", got.status, got.body)
	}

	own, err = redis.Start(t.Context(), opts)
	testkit.Must(t, err)
	defer func() { _ = own.Stop() }()
	rows := w.rows(1)
	w.likeTheBill(rows)
	w.epoch = 2
	w.addsUp(rows)
	// The enforcer tells Redis that the call that it did not decide was not made: its admission
	// may still be on its way there.
	testkit.Eventually(t, "Redis remembers the one call", func() bool { return w.remembered() == 1 })
	testkit.Eventually(t, "the enforcer follows its configuration again", func() bool {
		return strings.Contains(e.probe("/metrics").body, "bursar_enforcer_store_available 1")
	})
	if got := e.call("gerente-1", chat("gpt-4o-mini", "[[output=1]]")); got.status != 200 {
		t.Errorf("a call when Redis is back: %d %s", got.status, got.body)
	}
	w.likeTheBill(w.rows(2))
	if err := e.shutDown(); err != nil { // before its Redis goes
		t.Error(err)
	}
}

// TestPostgresIsAbsentAtFirst: calls are served, and are in the ledger once there
// is one.
func TestPostgresIsAbsentAtFirst(t *testing.T) {
	w := newWorld(t)
	opts := ledgerdb.Options{Dir: t.TempDir()}
	own, err := ledgerdb.Start(t.Context(), opts)
	testkit.Must(t, err)
	opts.Port = own.Port()
	w.database, err = own.NewDatabase(t.Context())
	testkit.Must(t, err)
	testkit.Must(t, own.Stop())

	e := w.ready()
	for range 3 {
		if got := e.call("gerente-1", chat("gpt-4o-mini", "[[output=1]]")); got.status != 200 {
			t.Fatalf("without Postgres: %d %s", got.status, got.body)
		}
	}
	if got := e.probe("/readyz"); got.status != 503 || !strings.Contains(got.body, "Postgres") {
		t.Errorf("readyz says %d %s before Postgres has let the enforcer in", got.status, got.body)
	}
	own, err = ledgerdb.Start(t.Context(), opts)
	testkit.Must(t, err)
	defer func() { _ = own.Stop() }()
	testkit.Eventually(t, "readyz says yes", func() bool { return e.probe("/readyz").status == 200 })
	w.ledger.Close()
	w.ledger = w.connectLedger()
	rows := w.rows(3)
	w.likeTheBill(rows)
	w.atRest(rows)
	if err := e.shutDown(); err != nil { // before its Postgres goes
		t.Error(err)
	}
	w.ledger.Close()
}

// TestLoginIsRejected: an enforcer that cannot log in to Postgres is not ready and says why in
// its heartbeat, before there is any call.
func TestLoginIsRejected(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*url.URL)
		want   limiterv1.LedgerTrouble
	}{
		"no such user":     {func(u *url.URL) { u.User = url.UserPassword("nobody", "secret") }, limiterv1.LoginFailed},
		"no such database": {func(u *url.URL) { u.Path = "/nowhere" }, limiterv1.LoginFailed},
		"not migrated":     {func(u *url.URL) { u.Path = "/postgres" }, limiterv1.RightsMissing},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.configure()
			e := w.start(func(o *options) {
				u, err := url.Parse(o.databaseURL)
				testkit.Must(t, err)
				test.change(u)
				o.databaseURL = u.String()
			})
			testkit.Eventually(t, "the heartbeat says why", func() bool {
				raw, _ := w.redis.HGet(t.Context(), limiterv1.SessionStatesKey, e.session.ID()).Bytes()
				var told limiterv1.SessionState
				return json.Unmarshal(raw, &told) == nil && told.Ledger == test.want
			})
			testkit.Eventually(t, "it is not ready for that reason, once it has a configuration", func() bool {
				got := e.probe("/readyz")
				if strings.Contains(got.body, "secret") {
					t.Fatalf("readyz says %d %s", got.status, got.body)
				}
				return got.status == 503 && strings.Contains(got.body, string(test.want))
			})
		})
	}
}
