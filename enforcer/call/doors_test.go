package call_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/enforcer/provider"
	"github.com/bursar-dev/bursar/enforcer/proxy"
)

const (
	chat         = `{"model":"mini","messages":[{"role":"user","content":"hi"}]}`
	streamedChat = `{"model":"mini","messages":[{"role":"user","content":"hi"}],"stream":true}`
	answerBody   = `{"id":"1","choices":[{"message":{"content":"hello"}}],"usage":{"prompt_tokens":8,"completion_tokens":5}}`
	chunk        = `data: {"id":"1","choices":[{"delta":{"content":"hello"}}]}` + "\n\n"
	usageChunk   = `data: {"id":"1","choices":[],"usage":{"prompt_tokens":8,"completion_tokens":5}}` + "\n\n"
	done         = "data: [DONE]\n\n"
)

// dear may cost more than the ten cents that are left below the Trip rung: 128 answers of
// 100 tokens.
const dear = `{"model":"mini","messages":[{"role":"user","content":"hi"}],"n":128}`

var errBroken = errors.New("connection reset")

// answers is an answer of a provider that also says what is no client's business.
func answers(status int, kind string, broken error, pieces ...string) toyAnswer {
	header := textproto.MIMEHeader{
		"Content-Type": {kind}, "Openai-Processing-Ms": {"7"},
		"Set-Cookie": {"__cf_bm=1"}, "X-Ratelimit-Limit-Requests": {"10000"}, "Openai-Organization": {"acme-inc"},
	}
	return toyAnswer{status: status, header: header, pieces: pieces, broken: broken}
}

// exchange is a request, what the world is changed to before it, and what is to come of it
// at any door.
type exchange struct {
	before     func(*world)
	key        string // empty is the one that is known
	name       string // in Idempotency-Key
	body       string
	wantStatus int
	wantBody   string // contains
	wantCut    bool
}

// doorCases are calls that are the same through every door.
var doorCases = map[string]struct {
	change    func(*limiterv1.Tenant)
	provider  toyAnswer
	exchanges []exchange
	wantEnds  []ledgerv1.Outcome
	wantWhy   []string // the refusals on record
}{
	"a whole answer": {
		provider:  answers(200, "application/json", nil, answerBody),
		exchanges: []exchange{{body: chat, wantStatus: 200, wantBody: answerBody}},
		wantEnds:  []ledgerv1.Outcome{ledgerv1.Settled},
	},
	"a stream": {
		provider:  answers(200, "text/event-stream", nil, chunk, usageChunk, done),
		exchanges: []exchange{{body: streamedChat, wantStatus: 200, wantBody: chunk + done}},
		wantEnds:  []ledgerv1.Outcome{ledgerv1.Settled},
	},
	"an answer without usage": {
		provider:  answers(200, "application/json", nil, `{}`),
		exchanges: []exchange{{body: chat, wantStatus: 200, wantBody: `{}`}},
		wantEnds:  []ledgerv1.Outcome{ledgerv1.ChargedHold},
	},
	"over budget": {
		exchanges: []exchange{{before: spent(90*money.Cent - 1), body: dear, wantStatus: 429, wantBody: `"budget_exhausted"`}},
		wantWhy:   []string{"BudgetExhausted"},
	},
	"over budget, with the tenant's own status": {
		change:    func(t *limiterv1.Tenant) { t.BudgetRefusalStatus = 402 },
		exchanges: []exchange{{before: spent(money.USD), body: chat, wantStatus: 402, wantBody: `"breaker_open"`}},
		wantWhy:   []string{"BreakerOpen"},
	},
	"the breaker is open": {
		exchanges: []exchange{{before: spent(90 * money.Cent), body: chat, wantStatus: 429, wantBody: `"breaker_open"`}},
		wantWhy:   []string{"BreakerOpen"},
	},
	"too fast": {
		exchanges: []exchange{{
			before: func(w *world) { w.store.set(func(s *fakeStore) { s.exhausted = true }) },
			body:   chat, wantStatus: 429, wantBody: `"rate_limit_exceeded"`,
		}},
		wantWhy: []string{"RateLimited"},
	},
	"an unknown key":  {exchanges: []exchange{{key: "guess", body: chat, wantStatus: 401, wantBody: `"invalid_api_key"`}}},
	"no JSON":         {exchanges: []exchange{{body: `{"model"`, wantStatus: 400, wantBody: `"invalid_request"`}}},
	"a wrong field":   {exchanges: []exchange{{body: `{"model":"mini","messages":[],"n":0}`, wantStatus: 400, wantBody: `"param":"n"`}}},
	"no such model":   {exchanges: []exchange{{body: `{"model":"maxi","messages":[]}`, wantStatus: 404, wantBody: `"model_not_found"`}}},
	"a name too many": {exchanges: []exchange{{name: " ", body: chat, wantStatus: 400, wantBody: `"idempotency_key_invalid"`}}},
	"the provider refuses": {
		provider:  answers(429, "application/json", nil, `{"error":{"message":"slow down"}}`),
		exchanges: []exchange{{body: chat, wantStatus: 429, wantBody: `slow down`}},
		wantEnds:  []ledgerv1.Outcome{ledgerv1.Voided},
	},
	"the provider refuses Bursar": {
		provider:  answers(401, "application/json", nil, `{"error":{"message":"sk-secret"}}`),
		exchanges: []exchange{{body: chat, wantStatus: 502, wantBody: `"provider_refused"`}},
		wantEnds:  []ledgerv1.Outcome{ledgerv1.Voided},
	},
	"no answer": {
		provider:  toyAnswer{broken: errBroken},
		exchanges: []exchange{{body: chat, wantStatus: 502, wantBody: `"provider_failed"`}},
		wantEnds:  []ledgerv1.Outcome{ledgerv1.ChargedHold},
	},
	"a stream that is cut off": {
		provider:  answers(200, "text/event-stream", errBroken, chunk),
		exchanges: []exchange{{body: streamedChat, wantStatus: 200, wantBody: `"provider_cut"`}},
		wantEnds:  []ledgerv1.Outcome{ledgerv1.ChargedSeen},
	},
	"a whole answer that is cut off": {
		provider:  answers(200, "application/json", errBroken, `{"id"`),
		exchanges: []exchange{{body: chat, wantStatus: 502, wantBody: `"provider_cut"`}},
		wantEnds:  []ledgerv1.Outcome{ledgerv1.ChargedHold},
	},
	"an answer that is cut off before its first byte": {
		provider:  answers(200, "application/json", errBroken),
		exchanges: []exchange{{body: chat, wantStatus: 502, wantBody: `"provider_cut"`}},
		wantEnds:  []ledgerv1.Outcome{ledgerv1.ChargedHold},
	},
	"shadow": {
		change:    func(t *limiterv1.Tenant) { t.Enforcement = limiterv1.Shadow },
		provider:  answers(200, "application/json", nil, answerBody),
		exchanges: []exchange{{before: spent(90 * money.Cent), body: chat, wantStatus: 200, wantBody: answerBody}},
		wantEnds:  []ledgerv1.Outcome{ledgerv1.Settled},
	},
	"the same call again": {
		provider: answers(200, "application/json", nil, answerBody),
		exchanges: []exchange{
			{name: "key", body: chat, wantStatus: 200, wantBody: answerBody},
			{name: "key", body: chat, wantStatus: 200, wantBody: answerBody},
			{name: "key", body: streamedChat, wantStatus: 422, wantBody: `"idempotency_key_reused"`},
		},
		wantEnds: []ledgerv1.Outcome{ledgerv1.Settled},
	},
	"an answer that was kept": {
		change: func(t *limiterv1.Tenant) {
			t.Ladder[0].Fallbacks = []limiterv1.Fallback{{Kind: limiterv1.Cache, MaxAge: 3_600_000}}
		},
		provider: answers(200, "application/json", nil, answerBody),
		exchanges: []exchange{
			{body: chat, wantStatus: 200, wantBody: answerBody},
			{before: spent(90 * money.Cent), body: chat, wantStatus: 200, wantBody: answerBody},
			{body: streamedChat, wantStatus: 429, wantBody: `"breaker_open"`},
		},
		wantEnds: []ledgerv1.Outcome{ledgerv1.Settled},
		wantWhy:  []string{"BreakerOpen", "BreakerOpen"},
	},
}

// spent is a world in which so much is spent.
func spent(amount money.Nanos) func(*world) {
	return func(w *world) { w.store.set(func(s *fakeStore) { s.spent = amount }) }
}

// TestDoors: a door without HTTP, which does not forward by itself, has the same sent to
// the provider as the proxy, gives its clients what the proxy gives its own, and what it
// leaves in the ledger, on record and with the limiter is the same.
func TestDoors(t *testing.T) {
	for name, tc := range doorCases {
		t.Run(name, func(t *testing.T) {
			document := acme()
			if tc.change != nil {
				tc.change(&document)
			}
			toy := newWorld(t, document, "")
			var sentByToy, sentByProxy []sent
			door := &toyDoor{calls: toy.calls, provider: func(f *call.Forward) toyAnswer {
				sentByToy = append(sentByToy, sent{f.Path, comparableHeader(f.Header), string(f.Body)})
				return tc.provider
			}}
			upstream := httptest.NewServer(serving(tc.provider, &sentByProxy))
			defer upstream.Close()
			upstream.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
			behind := newWorld(t, document, upstream.URL)
			other := newProxyDoor(t, behind)
			for i, e := range tc.exchanges {
				for _, w := range []*world{toy, behind} {
					if e.before != nil {
						e.before(w)
					}
				}
				request := e.request()
				got, want := door.serve(t.Context(), request), other.serve(t, request)
				if !reflect.DeepEqual(comparableReply(got), comparableReply(want)) {
					t.Errorf("request %d: the toy door gives\n%+v\nand the proxy\n%+v", i+1, comparableReply(got), comparableReply(want))
				}
				if got.status != e.wantStatus || got.cut != e.wantCut || !strings.Contains(got.body, e.wantBody) {
					t.Errorf("request %d: got %+v, want %d %s, cut: %t", i+1, got, e.wantStatus, e.wantBody, e.wantCut)
				}
			}
			upstream.Close() // waits until its handlers have noted what they were sent
			checkSent(t, sentByToy, sentByProxy)
			left := toy.left(t)
			if atProxy := behind.left(t); !reflect.DeepEqual(left, atProxy) {
				t.Errorf("the toy door leaves\n%+v\nand the proxy\n%+v", left, atProxy)
			}
			left.check(t, tc.wantEnds, tc.wantWhy)
		})
	}
}

func (e exchange) request() toyRequest {
	key := e.key
	if key == "" {
		key = "key"
	}
	header := textproto.MIMEHeader{
		"Authorization": {"Bearer " + key}, "Accept": {"text/event-stream"}, "User-Agent": {"app/1"},
		"Cookie": {"session=1"}, "Openai-Project": {"project"}, "X-Request-Id": {"theirs"}, "Traceparent": {"00-1-1-01"},
	}
	if e.name != "" {
		header.Set(call.IdempotencyKeyHeader, e.name)
	}
	return toyRequest{header: header, body: e.body}
}

// comparableReply is a reply with a comparable header.
func comparableReply(reply toyReply) toyReply {
	if id := reply.header.Get(call.CallIDHeader); id != "" {
		reply.body = strings.ReplaceAll(reply.body, id, "CALL")
	}
	reply.header = comparableHeader(reply.header)
	return reply
}

// comparableHeader is a header without what is another with every call, or is HTTP's own.
func comparableHeader(all textproto.MIMEHeader) textproto.MIMEHeader {
	header := textproto.MIMEHeader{}
	for name, values := range all {
		if !slices.Contains([]string{"Date", "Content-Length", call.CallIDHeader, "X-Request-Id"}, name) {
			header[name] = values
		}
	}
	return header
}

// sent is what a provider was sent.
type sent struct {
	path   string
	header textproto.MIMEHeader
	body   string
}

// checkSent checks that both doors have sent the same, and of the client's header only
// what every provider may know.
func checkSent(t *testing.T, byToy, byProxy []sent) {
	t.Helper()
	if !reflect.DeepEqual(byToy, byProxy) {
		t.Errorf("the toy door has sent\n%+v\nand the proxy\n%+v", byToy, byProxy)
	}
	want := textproto.MIMEHeader{
		"Content-Type": {"application/json"}, "Accept-Encoding": {"identity"},
		"Accept": {"text/event-stream"}, "User-Agent": {"app/1"},
	}
	for _, s := range byToy {
		if !reflect.DeepEqual(s.header, want) {
			t.Errorf("the provider was sent the header %v, want %v", s.header, want)
		}
	}
}

// remains are what calls have left behind, except what differs from call to call.
type remains struct {
	entries  []ledgerv1.Entry
	refusals []ledgerv1.Refusal
	settled  []money.Nanos
	admits   int
}

// left is what the calls of a world have left when all are settled.
func (w *world) left(t *testing.T) remains {
	t.Helper()
	if err := w.calls.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := remains{entries: w.ledger.list(), refusals: w.refusals.list(), settled: w.store.settled, admits: w.store.admits}
	for i := range r.entries {
		e := &r.entries[i]
		if e.CallID == "" || e.Duration <= 0 || e.SettledAt.Before(e.AdmittedAt) {
			t.Errorf("in the ledger: %+v", *e)
		}
		e.CallID, e.Duration, e.SettledAt = "", 0, time.Time{}
		if e.TimeToFirstToken != nil {
			e.TimeToFirstToken = new(time.Duration)
		}
	}
	for i := range r.refusals {
		r.refusals[i].CallID, r.refusals[i].RefusedAt = "", time.Time{}
	}
	return r
}

// check checks what is left against what must be.
func (r remains) check(t *testing.T, ends []ledgerv1.Outcome, why []string) {
	t.Helper()
	var outcomes []ledgerv1.Outcome
	for _, e := range r.entries {
		outcomes = append(outcomes, e.Outcome)
	}
	var reasons []string
	for _, refusal := range r.refusals {
		reasons = append(reasons, string(refusal.Reason))
	}
	if !slices.Equal(outcomes, ends) || !slices.Equal(reasons, why) || r.admits != len(r.settled) {
		t.Errorf("calls ended as %v, want %v; on record %v, want %v; %d admitted and %d settled",
			outcomes, ends, reasons, why, r.admits, len(r.settled))
	}
}

// proxyDoor is the proxy, listening.
type proxyDoor struct {
	server  *httptest.Server
	handled chan struct{}
}

func newProxyDoor(t *testing.T, w *world) *proxyDoor {
	t.Helper()
	client := provider.NewClient(t.TempDir())
	t.Cleanup(client.Close)
	p := proxy.New(proxy.Options{Calls: w.calls, Client: client, MaxRequestBytes: 1 << 20, RequestMemory: 64 << 20, DrainTimeout: time.Minute})
	d := &proxyDoor{handled: make(chan struct{}, 1)}
	d.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { d.handled <- struct{}{} }()
		p.ServeHTTP(w, r)
	}))
	d.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(d.server.Close)
	return d
}

// serve is what a client gets of the proxy, when the call has ended.
func (d *proxyDoor) serve(t *testing.T, request toyRequest) toyReply {
	t.Helper()
	sent, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.server.URL+"/v1/chat/completions", strings.NewReader(request.body))
	if err != nil {
		t.Fatal(err)
	}
	sent.Header = http.Header(request.header)
	response, err := http.DefaultClient.Do(sent)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	<-d.handled
	return toyReply{response.StatusCode, textproto.MIMEHeader(response.Header), string(body), err != nil}
}

// serving is a provider that gives the answer, and notes what it is sent.
func serving(answer toyAnswer, got *[]sent) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*got = append(*got, sent{r.URL.Path, comparableHeader(textproto.MIMEHeader(r.Header)), string(body)})
		if answer.status == 0 {
			panic(http.ErrAbortHandler)
		}
		for name, values := range answer.header {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.status)
		control := http.NewResponseController(w)
		_ = control.Flush()
		for _, piece := range answer.pieces {
			_, _ = io.WriteString(w, piece)
			_ = control.Flush()
		}
		if answer.broken != nil {
			panic(http.ErrAbortHandler)
		}
	}
}
