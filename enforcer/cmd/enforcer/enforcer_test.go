package main

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// ofTenant are the counters of the whole tenant.
var ofTenant = limiterv1.TenantCountersKey("acme", "acme")

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
	t.Parallel()
	for name, tc := range map[string]struct {
		prompt      string
		stream      bool
		wantStatus  int
		wantOutcome string
		wantTruth   bool // the ledger has the bill, else the hold
		wantOverrun bool
	}{
		"whole answer is cut":     {"[[output=5 cut=3]]", false, 502, "ChargedHold", false, false},
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

// TestClientHangsUpMidStream: the provider stops, and the call is charged by what was seen.
func TestClientHangsUpMidStream(t *testing.T) {
	w := newWorld(t)
	e := w.ready()
	stream := e.open("gerente-1", chat("gpt-4o", "[[output=99 pause=4]]", `"stream":true`, `"max_completion_tokens":200`))
	testkit.Eventually(t, "the provider holds the stream", func() bool { return w.provider.Paused() == 1 })
	stream.hangUp()
	rows := w.rows(1)
	w.atRest(rows)
	calls := w.provider.Bill().Calls
	if len(calls) != 1 || calls[0].Complete || calls[0].OutputTokens != 4 {
		t.Errorf("the provider went on: %+v", calls)
	}
	for _, r := range rows {
		if r.Outcome != "ChargedSeen" || int64(r.Cost) < calls[0].CostNanos || r.Cost >= r.Held {
			t.Errorf("the ledger has %+v, the bill %+v", r, calls)
		}
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
			} else if all[i].status != http.StatusOK {
				t.Errorf("a stream is answered %d", all[i].status)
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
