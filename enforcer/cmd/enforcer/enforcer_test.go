package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	goredis "github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/hack/parts/controlplane"
	"github.com/bursar-dev/bursar/hack/parts/ledgerdb"
	"github.com/bursar-dev/bursar/hack/parts/process"
	"github.com/bursar-dev/bursar/hack/parts/redis"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// row is what these tests ask of a row of the ledger.
type row struct {
	CallID, User, Outcome string
	Streamed              bool
	Held, Cost, Overrun   int64
}

// rows are the rows of the ledger, by their calls, once there are so many.
func (w *world) rows(n int) map[string]row {
	w.t.Helper()
	var all map[string]row
	testkit.Eventually(w.t, fmt.Sprintf("the ledger has %d calls", n), func() bool {
		all = w.allRows()
		return len(all) >= n
	})
	if len(all) != n {
		w.t.Fatalf("the ledger has %d calls, want %d", len(all), n)
	}
	return all
}

// allRows are the rows that the ledger has now. None has another of the same call.
func (w *world) allRows() map[string]row {
	w.t.Helper()
	found, err := w.ledger.Query(context.Background(),
		`SELECT call_id, user_id, outcome, streamed, held_nanos, cost_nanos, overrun_nanos FROM ai_usage_logs`)
	testkit.Must(w.t, err)
	rows, err := pgx.CollectRows(found, pgx.RowToStructByPos[row])
	testkit.Must(w.t, err)
	all := map[string]row{}
	for _, r := range rows {
		if twice, ok := all[r.CallID]; ok {
			w.t.Errorf("the ledger has a call twice: %+v and %+v", r, twice)
		}
		all[r.CallID] = r
	}
	return all
}

// atRest checks P3 when no call is open: the ledger adds up to what the limiter has
// counted, nothing is held, and Redis remembers no call.
func (w *world) atRest(rows map[string]row) {
	w.t.Helper()
	w.addsUp(rows)
	testkit.Eventually(w.t, "Redis remembers no call", func() bool { return w.remembered() == 0 })
}

// remembered is how many calls Redis remembers, open or not.
func (w *world) remembered() (calls int64) {
	w.t.Helper()
	keys, err := w.redis.Keys(w.t.Context(), "bursar:*:calls:*").Result()
	testkit.Must(w.t, err)
	for _, key := range keys {
		n, err := w.redis.HLen(w.t.Context(), key).Result()
		testkit.Must(w.t, err)
		if w.redis.HExists(w.t.Context(), key, limiterv1.FencedField).Val() {
			n--
		}
		calls += n
	}
	return calls
}

func (w *world) addsUp(rows map[string]row) {
	w.t.Helper()
	for _, difference := range w.differences(rows) {
		w.t.Error(difference)
	}
}

// settles checks P3 for calls of which the control plane counts some anew: counters come
// to what the ledger adds up to, nothing is held, and Redis remembers no call.
func (w *world) settles(rows map[string]row) {
	w.t.Helper()
	testkit.EventuallySucceeds(w.t, "counters say what the ledger says", func() error {
		return errors.Join(w.differences(rows)...)
	})
	testkit.Eventually(w.t, "Redis remembers no call", func() bool { return w.remembered() == 0 })
}

// differences are those between counters and the ledger.
func (w *world) differences(rows map[string]row) (all []error) {
	w.t.Helper()
	spent := map[string]money.Nanos{}
	for _, r := range rows {
		spent["tenant"] += money.Nanos(r.Cost)
		spent[r.User] += money.Nanos(r.Cost)
	}
	for who, want := range spent {
		key := ofTenant
		if who != "tenant" {
			key = limiterv1.UserCountersKey("acme", limiterv1.Epoch{Number: w.epoch}, "acme", who)
		}
		counter := w.counter(key)
		if counter.Spent != want || counter.Held != 0 {
			all = append(all, fmt.Errorf("%s: counted %s spent and %s held, the ledger says %s", who, counter.Spent, counter.Held, want))
		}
	}
	return all
}

// ofTenant are the counters of the whole tenant.
var ofTenant = limiterv1.TenantCountersKey("acme", "acme")

// counter is the counter of the year's money in counters; zero while it is set anew.
func (w *world) counter(key string) limiterv1.MoneyCounter {
	w.t.Helper()
	raw, err := w.redis.HGet(w.t.Context(), key, limiterv1.MoneyField(limiterv1.MoneyLimit{Period: period.Year})).Bytes()
	if errors.Is(err, goredis.Nil) {
		return limiterv1.MoneyCounter{}
	}
	testkit.Must(w.t, err)
	counter, err := limiterv1.DecodeMoneyCounter(raw)
	testkit.Must(w.t, err)
	return counter
}

// likeTheBill checks that the ledger has what the provider bills, call by call.
func (w *world) likeTheBill(rows map[string]row) {
	w.t.Helper()
	bill := w.provider.Bill()
	var total int64
	for _, call := range bill.Calls {
		if got := rows[call.ID]; got.Cost != call.CostNanos {
			w.t.Errorf("call %s: the ledger has %+v, the provider bills %d", call.ID, got, call.CostNanos)
		}
	}
	for _, r := range rows {
		total += r.Cost
	}
	if total != bill.TotalNanos {
		w.t.Errorf("the ledger adds up to %d, the bill to %d", total, bill.TotalNanos)
	}
}

// direct asks the provider without an enforcer between, as the client would.
func (w *world) direct(callID, body string) answer {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.provider.URL+"/v1/chat/completions", strings.NewReader(body))
	testkit.Must(w.t, err)
	request.Header.Set("Authorization", "Bearer "+providerKey)
	request.Header.Set("X-Request-Id", callID)
	return do(http.DefaultClient, request)
}

// TestClientSeesWhatTheProviderSays: byte for byte what it would have seen without
// an enforcer, and the ledger is the provider's bill.
func TestClientSeesWhatTheProviderSays(t *testing.T) {
	w := newWorld(t)
	e := w.ready()
	const tokens = `"max_completion_tokens":20`
	const streamed, withUsage = `"stream":true`, `"stream_options":{"include_usage":true}`
	var seen []answer
	var bodies []string
	for _, prompt := range []string{
		"Hello [[output=7]]",
		"Cached [[output=7 cached=3]]",
		"Ugly [[output=7 crlf comments split=3]]",
		"Byte by byte [[output=3 split=1]]",
	} {
		for _, members := range [][]string{
			{tokens},
			{tokens, streamed},
			{tokens, streamed, withUsage},
			{tokens, streamed, `"stream_options":{"include_usage":false}`},
			{tokens, streamed, `"n":3`},
			{tokens, `"n":3`},
		} {
			body := chat("gpt-4o", prompt, members...)
			got := e.call("gerente-1", body)
			if got.status != 200 || got.err != nil {
				t.Fatalf("%s: %d %s %v", body, got.status, got.body, got.err)
			}
			seen, bodies = append(seen, got), append(bodies, body)
		}
	}
	rows := w.rows(len(seen))
	w.likeTheBill(rows)
	w.atRest(rows)
	for i, got := range seen {
		id := got.header.Get(call.CallIDHeader)
		want := w.direct(id, bodies[i])
		for _, a := range []*answer{&got, &want} { // one is sent before the usage chunk, too, and stays
			a.body = strings.ReplaceAll(a.body, ": the model thinks\r\n\r\n", "")
		}
		if got.body != want.body || got.header.Get("Content-Type") != want.header.Get("Content-Type") {
			t.Errorf("%s\n got %s\nwant %s", bodies[i], got.body, want.body)
		}
		r := rows[id]
		if r.Outcome != "Settled" || r.User != "gerente-1" || r.Streamed != strings.Contains(bodies[i], streamed) || r.Cost > r.Held || r.Overrun != 0 {
			t.Errorf("%s: %+v", bodies[i], r)
		}
		if left := got.header.Get("X-Ratelimit-Remaining-Requests"); left != fmt.Sprint(1000-i-1) {
			// The bucket gains a request in 60 ms, unless it is full.
			if n := 0; func() bool { _, err := fmt.Sscan(left, &n); return err != nil || n < 1000-i-1 || n > 999 }() {
				t.Errorf("after %d calls %q requests are left", i+1, left)
			}
		}
	}
}

// TestWhatGoesWrongAtTheProvider: how each call ends, beside the provider's bill.
func TestWhatGoesWrongAtTheProvider(t *testing.T) {
	for name, tc := range map[string]struct {
		prompt      string
		stream      bool
		wantStatus  int
		wantOutcome string
		wantTruth   bool // the ledger has the bill, else the hold
		wantOverrun bool
	}{
		"whole answer is cut":     {"[[output=5 cut=3]]", false, 200, "ChargedHold", false, false},
		"stream is cut":           {"[[output=5 cut=3]]", true, 200, "ChargedHold", false, false},
		"stream fails":            {"[[output=5 fail=3]]", true, 200, "ChargedHold", false, false},
		"no usage":                {"[[output=5 usage=none]]", false, 200, "ChargedHold", false, false},
		"no usage in the stream":  {"[[output=5 usage=none]]", true, 200, "ChargedHold", false, false},
		"negative usage":          {"[[output=5 usage=negative]]", false, 200, "ChargedHold", false, false},
		"fractional usage":        {"[[output=5 usage=fractional]]", true, 200, "ChargedHold", false, false},
		"huge usage":              {"[[output=5 usage=huge]]", true, 200, "ChargedHold", false, false},
		"more than was asked for": {"[[output=20 overrun=500]]", true, 200, "Settled", true, true},
		"refused":                 {"[[status=429]]", true, 429, "Voided", true, false},
		"out of order":            {"[[status=503]]", false, 503, "Voided", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			e := w.ready()
			got := e.call("gerente-1", chat("gpt-4o", tc.prompt, `"max_completion_tokens":20`, fmt.Sprintf(`"stream":%t`, tc.stream)))
			if got.status != tc.wantStatus {
				t.Errorf("status %d, want %d: %s", got.status, tc.wantStatus, got.body)
			}
			rows := w.rows(1)
			w.atRest(rows)
			r := rows[got.header.Get(call.CallIDHeader)]
			if r.Outcome != tc.wantOutcome || !tc.wantTruth && r.Cost != r.Held || tc.wantOverrun != (r.Overrun > 0) {
				t.Errorf("the ledger has %+v, want %s", r, tc.wantOutcome)
			}
			if tc.wantTruth {
				w.likeTheBill(rows)
			}
		})
	}
}

func TestClientHangsUpMidStream(t *testing.T) {
	w := newWorld(t)
	e := w.ready()
	stream := e.open("gerente-1", chat("gpt-4o", "[[output=9 pause=4]]", `"stream":true`, `"max_completion_tokens":20`))
	testkit.Eventually(t, "the provider holds the stream", func() bool { return w.provider.Paused() == 1 })
	stream.hangUp()
	w.provider.Resume()
	rows := w.rows(1)
	w.likeTheBill(rows)
	w.atRest(rows)
	if calls := w.provider.Bill().Calls; len(calls) != 1 || !calls[0].Complete || calls[0].OutputTokens != 9 {
		t.Errorf("the provider was not let finish: %+v", calls)
	}
}

// TestAsManyCallsAsFit: 200 concurrent calls of a cent, through two enforcers, into
// a dollar.
func TestAsManyCallsAsFit(t *testing.T) {
	const calls, fit = 200, 100
	w := newWorld(t)
	enforcers := []*running{w.ready(), w.ready()}
	answers := make([]answer, calls)
	var all sync.WaitGroup
	for i := range calls {
		e := enforcers[i%2]
		r := e.request("gerente-1", chat("penny", "one", fmt.Sprintf(`"stream":%t`, i%4 < 2)))
		all.Go(func() { answers[i] = do(e.client, r) })
	}
	all.Wait()
	count := map[string]int{}
	for _, a := range answers {
		code := ""
		if _, rest, found := strings.Cut(a.body, `"code":"`); found {
			code, _, _ = strings.Cut(rest, `"`)
		}
		count[fmt.Sprint(a.status, code)]++
	}
	if want := map[string]int{"200": fit, "429budget_exhausted": calls - fit}; !reflect.DeepEqual(count, want) {
		t.Errorf("answers: got %v, want %v", count, want)
	}
	rows := w.rows(fit)
	w.likeTheBill(rows)
	w.atRest(rows)
}

func TestRateLimitOfATier(t *testing.T) {
	w := newWorld(t)
	e := w.ready()
	for i := range 5 {
		if got := e.call("empleado-1", chat("gpt-4o-mini", "[[output=1]]")); got.status != 200 || got.header.Get("X-Ratelimit-Remaining-Requests") != fmt.Sprint(4-i) {
			t.Fatalf("call %d: %d, %v", i, got.status, got.header)
		}
	}
	got := e.call("empleado-1", chat("gpt-4o-mini", "[[output=1]]"))
	var wait int
	_, err := fmt.Sscan(got.header.Get("Retry-After"), &wait)
	if got.status != 429 || err != nil || wait < 700 || wait > 720 || !strings.Contains(got.body, `"limit":"tiers/empleado"`) {
		t.Errorf("got %d, Retry-After %q (5 an hour: one in 720 s), %s", got.status, got.header.Get("Retry-After"), got.body)
	}
	if got := e.call("gerente-1", chat("gpt-4o-mini", "[[output=1]]")); got.status != 200 {
		t.Errorf("a user of another tier: %d %s", got.status, got.body)
	}
}

// TestConfigurationChanges: a call goes by the configuration that the session
// reports, from the moment that it does.
func TestConfigurationChanges(t *testing.T) {
	w := newWorld(t)
	e := w.ready()
	if got := e.call("gerente-1", chat("gpt-4o-mini", "[[output=1]]")); got.status != 200 {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	provider := w.fake()
	provider.Models = provider.Models[:1]
	revision, err := w.put(provider)
	testkit.Must(t, err)
	testkit.Eventually(t, "the enforcer runs the change", func() bool { return w.runs(e, revision) })
	if got := e.call("gerente-1", chat("gpt-4o-mini", "[[output=1]]")); got.status != 404 {
		t.Errorf("a model that was withdrawn: %d %s", got.status, got.body)
	}
}

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

// TestShutdownCannotWait: answers that take longer than the grace are cut, and
// their holds charged.
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
		if r.Outcome != "ChargedHold" {
			t.Errorf("the ledger has %+v, want the hold charged", r)
		}
	}
}

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
	testkit.Eventually(t, "readyz says yes", func() bool { return e.probe("/readyz").status == 200 })
	if got := refused(); got.status != 503 {
		t.Errorf("without a configuration: %d %s", got.status, got.body)
	}
	w.redis = connect(t, late.Addr)
	revision := w.configure()
	testkit.Eventually(t, "the enforcer runs the configuration", func() bool { return w.runs(e, revision) })
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
	// Were it taken out of its Service, callers would get no answer at all, and tenants with
	// AllowBounded nothing of the shares that are held for this.
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
	// Of the call that Redis did not decide it is told that it was not made, lest its
	// admission be on its way there still.
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

// TestShutdownWhileRedisHangs: calls that cannot be settled any more are in the ledger at
// what they have cost, and stay so when others adopt what the enforcer has left.
func TestShutdownWhileRedisHangs(t *testing.T) {
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
	own, err = ledgerdb.Start(t.Context(), opts)
	testkit.Must(t, err)
	defer func() { _ = own.Stop() }()
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

// TestMetrics: what DESIGN promises to operators is there, and counts.
func TestMetrics(t *testing.T) {
	w := newWorld(t)
	e := w.ready()
	e.call("gerente-1", chat("gpt-4o-mini", "[[output=1]]"))
	e.call("gerente-1", chat("gpt-5", "[[output=1]]"))
	e.call("eve", chat("gpt-4o-mini", "[[output=1]]"))
	w.rows(1)
	metrics := strings.Split(e.probe("/metrics").body, "\n")
	for _, want := range []string{
		`bursar_enforcer_admissions_total{decision="admitted",reason=""} 1`,
		`bursar_enforcer_admissions_total{decision="refused",reason="model_not_found"} 1`,
		`bursar_enforcer_admissions_total{decision="refused",reason="invalid_api_key"} 1`,
		`bursar_enforcer_admission_seconds_count 1`,
		`bursar_enforcer_settle_seconds_count 1`,
		`bursar_enforcer_settled_calls_total{outcome="Settled"} 1`,
		`bursar_enforcer_open_calls 0`,
		`bursar_enforcer_overruns_total 0`,
		`bursar_enforcer_ledger_waiting 0`,
		`bursar_enforcer_ledger_oldest_waiting_seconds 0`,
		`bursar_enforcer_ledger_write_failures_total 0`,
		`bursar_enforcer_ledger_refused_total 0`,
		`bursar_enforcer_ledger_left_total 0`,
		`bursar_enforcer_config_revision 4`,
		`bursar_enforcer_config_broken_documents 0`,
		`bursar_enforcer_store_available 1`,
		`bursar_enforcer_epoch_valid 1`,
		`bursar_enforcer_redis_failures_total{failure="timeout"} 0`,
		`bursar_enforcer_adopted_sessions_total 0`,
		`bursar_enforcer_provider_answers_total{answer="2xx",provider="fake"} 1`,
		`bursar_enforcer_provider_header_seconds_count{provider="fake"} 1`,
	} {
		if !slices.Contains(metrics, want) {
			t.Errorf("no %s", want)
		}
	}
}

// TestManyStreamsAtOnce: no stream waits for another.
func TestManyStreamsAtOnce(t *testing.T) {
	const streams = 200
	w := newWorld(t)
	e := w.ready()
	all := make([]*opened, streams)
	var opening sync.WaitGroup
	for i := range streams {
		r := e.request("gerente-1", chat("gpt-4o-mini", "[[output=3 pause=1]]", `"stream":true`, `"max_completion_tokens":3`))
		opening.Go(func() {
			var err error
			if all[i], err = open(e.client, r); err != nil {
				t.Error(err)
			}
		})
	}
	opening.Wait()
	if t.Failed() {
		return
	}
	testkit.Eventually(t, "all streams are open at once", func() bool { return w.provider.Paused() == streams })
	w.provider.Resume()
	for _, stream := range all {
		if got := stream.read(); got.err != nil || !strings.HasSuffix(got.body, "data: [DONE]\n\n") {
			t.Errorf("a stream: %q, %v", got.body, got.err)
		}
	}
	rows := w.rows(streams)
	w.likeTheBill(rows)
	w.atRest(rows)
}
