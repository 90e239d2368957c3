package proxy_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/enforcer/ledger"
	"github.com/bursar-dev/bursar/enforcer/proxy"
)

const (
	answer     = `{"id":"1","choices":[{"message":{"content":"hello"}}],"usage":{"prompt_tokens":8,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":3}}}`
	chunk      = `data: {"id":"1","choices":[{"delta":{"content":"hello"}}]}` + "\n\n"
	usageChunk = `data: {"id":"1","choices":[],"usage":{"prompt_tokens":8,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":3}}}` + "\n\n"
	done       = "data: [DONE]\n\n"
)

var (
	used     = price.Usage{Input: 5, CachedInput: 3, Output: 5}
	usedCost = money.Nanos(5*1000 + 3*100 + 5*10_000)
)

// whole answers with a status and a body.
func whole(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// stream answers with frames, each sent when the one before has been.
func stream(frames ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, frame := range frames {
			if frame == cut {
				panic(http.ErrAbortHandler)
			}
			_, _ = io.WriteString(w, frame)
			_ = http.NewResponseController(w).Flush()
		}
	}
}

// cut is a frame at which the connection breaks.
const cut = "cut"

// hijack answers with raw bytes and closes the connection.
func hijack(raw string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, raw)
		_ = conn.Close()
	}
}

func errorBody(code, message string) string {
	titles := map[string]string{
		"provider_unreachable": "Provider unreachable", "provider_failed": "Provider failed",
		"provider_refused": "Provider refused", "provider_cut": "Answer cut off",
	}
	return fmt.Sprintf(`{"error":{"message":%q,"type":"server_error","param":null,"code":%q},"type":"urn:bursar:problem:%s","title":%q,"status":502,"detail":%q}`,
		message, code, strings.ReplaceAll(code, "_", "-"), titles[code], message)
}

// TestEndOfACall: what the client sees, and how the hold ends, whatever the
// provider does.
func TestEndOfACall(t *testing.T) {
	const cutOff = "The provider's answer was cut off before its end."
	for name, tc := range map[string]struct {
		upstream    http.HandlerFunc // nil: nobody listens
		body        string
		wantStatus  int
		wantBody    string
		wantCut     bool
		wantOutcome ledger.Outcome
		wantUsage   price.Usage
		wantCost    money.Nanos // of Settled
	}{
		"a whole answer": {
			upstream: whole(200, answer), wantStatus: 200, wantBody: answer,
			wantOutcome: ledger.Settled, wantUsage: used, wantCost: usedCost,
		},
		"a stream": {
			upstream: stream(chunk, usageChunk, done), body: streamedChat, wantStatus: 200, wantBody: chunk + done,
			wantOutcome: ledger.Settled, wantUsage: used, wantCost: usedCost,
		},
		"a stream whose usage the client asked for": {
			upstream: stream(chunk, usageChunk, done), body: strings.Replace(streamedChat, `"stream":true`, `"stream":true,"stream_options":{"include_usage":true}`, 1),
			wantStatus: 200, wantBody: chunk + usageChunk + done,
			wantOutcome: ledger.Settled, wantUsage: used, wantCost: usedCost,
		},
		"a whole answer to who asked for a stream": {
			upstream: whole(200, answer), body: streamedChat, wantStatus: 200, wantBody: answer,
			wantOutcome: ledger.Settled, wantUsage: used, wantCost: usedCost,
		},
		"an answer without usage": {
			upstream: whole(200, `{"choices":[]}`), wantStatus: 200, wantBody: `{"choices":[]}`,
			wantOutcome: ledger.ChargedHold,
		},
		"an empty answer": {
			upstream: whole(200, ""), wantStatus: 200, wantOutcome: ledger.ChargedHold,
		},
		"a stream without usage": {
			upstream: stream(chunk, done), body: streamedChat, wantStatus: 200, wantBody: chunk + done,
			wantOutcome: ledger.ChargedHold,
		},
		"a usage that nobody could pay": {
			upstream:   whole(200, `{"usage":{"prompt_tokens":1000000000,"completion_tokens":1000000000}}`),
			wantStatus: 200, wantBody: `{"usage":{"prompt_tokens":1000000000,"completion_tokens":1000000000}}`,
			wantOutcome: ledger.Settled, wantUsage: price.Usage{Input: 1e9, Output: 1e9}, wantCost: 1e9*1000 + 1e9*10_000,
		},
		"more than the bound": {
			upstream:   whole(200, `{"usage":{"prompt_tokens":1,"completion_tokens":1000}}`),
			wantStatus: 200, wantBody: `{"usage":{"prompt_tokens":1,"completion_tokens":1000}}`,
			wantOutcome: ledger.Settled, wantUsage: price.Usage{Input: 1, Output: 1000}, wantCost: 1000 + 1000*10_000,
		},
		"a refusal": {
			upstream: whole(429, `{"error":{"message":"slow down"}}`), wantStatus: 429, wantBody: `{"error":{"message":"slow down"}}`,
			wantOutcome: ledger.Voided,
		},
		"a refusal of a stream, as a stream": {
			upstream: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				w.WriteHeader(500)
				_, _ = io.WriteString(w, "data: {\"error\":{}}\n\n")
			},
			body: streamedChat, wantStatus: 500, wantBody: "data: {\"error\":{}}\n\n", wantOutcome: ledger.Voided,
		},
		"Bursar's key is refused": {
			upstream:   whole(401, `{"error":{"message":"Incorrect API key provided: sk-secret"}}`),
			wantStatus: 502, wantBody: errorBody("provider_refused", "The provider refused Bursar with status 401.") + "\n", wantOutcome: ledger.Voided,
		},
		"a redirect": {
			upstream: func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://elsewhere.example", http.StatusTemporaryRedirect)
			},
			wantStatus: 502, wantBody: errorBody("provider_refused", "The provider refused Bursar with status 307.") + "\n", wantOutcome: ledger.Voided,
		},
		"nobody listens": {
			wantStatus: 502, wantBody: errorBody("provider_unreachable", "The provider could not be reached.") + "\n", wantOutcome: ledger.Voided,
		},
		"no answer": {
			upstream: hijack(""), wantStatus: 502, wantBody: errorBody("provider_failed", "The provider took the call and gave no answer.") + "\n",
			wantOutcome: ledger.ChargedHold,
		},
		"cut before the first byte of a whole answer": {
			upstream:   hijack("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"),
			wantStatus: 502, wantBody: errorBody("provider_cut", cutOff) + "\n", wantOutcome: ledger.ChargedHold,
		},
		"cut within a whole answer": {
			upstream:   hijack("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"id\""),
			wantStatus: 200, wantBody: `{"id"`, wantCut: true, wantOutcome: ledger.ChargedHold,
		},
		"cut within a whole answer of unknown length": {
			upstream:   hijack("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"id\"\r\n"),
			wantStatus: 200, wantBody: `{"id"`, wantCut: true, wantOutcome: ledger.ChargedHold,
		},
		"cut within a stream": {
			upstream: stream(chunk, chunk[:20], cut), body: streamedChat, wantStatus: 200,
			wantBody:    chunk + "data: " + errorBody("provider_cut", cutOff) + "\n\n",
			wantOutcome: ledger.ChargedHold,
		},
		"cut within a stream whose usage has come": {
			upstream: stream(chunk, usageChunk, cut), body: streamedChat, wantStatus: 200,
			wantBody:    chunk + "data: " + errorBody("provider_cut", cutOff) + "\n\n",
			wantOutcome: ledger.Settled, wantUsage: used, wantCost: usedCost,
		},
		"a stream that ends too early": {
			upstream: stream(chunk), body: streamedChat, wantStatus: 200,
			wantBody:    chunk + "data: " + errorBody("provider_cut", cutOff) + "\n\n",
			wantOutcome: ledger.ChargedHold,
		},
		"cut before the first frame": {
			upstream:   hijack("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"),
			wantStatus: 200, wantBody: "data: " + errorBody("provider_cut", cutOff) + "\n\n",
			wantOutcome: ledger.ChargedHold,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, tc.upstream)
			body := or(tc.body, chat)
			got := d.call(body)
			if got.status != tc.wantStatus || got.body != tc.wantBody || (got.err != nil) != tc.wantCut {
				t.Errorf("the client sees\n got %d %s %v\nwant %d %s", got.status, got.body, got.err, tc.wantStatus, tc.wantBody)
			}
			entry, end := d.ending()
			want := ledger.Entry{
				OpenCall: limiterv1.OpenCall{
					CallID: got.header.Get(proxy.CallIDHeader), Tenant: "acme", User: "gerente-1", Tier: "gerente",
					Model: "mini", Root: "acme", Tokens: int64(len(body)) + 100,
				},
				Credential: "acme/gerente-1-key",
				Provider:   "fake", ModelAsked: "mini", ModelUsed: "mini-2026", Endpoint: "/v1/chat/completions",
				Streamed: strings.Contains(body, "stream"), Session: "session-1", Held: boundOf(body),
				AdmittedAt: admittedAt, Outcome: tc.wantOutcome, Usage: tc.wantUsage, Cost: tc.wantCost,
				Decision:  ledger.Admitted,
				SettledAt: entry.SettledAt, Duration: entry.Duration, TimeToFirstToken: entry.TimeToFirstToken,
			}
			if tc.wantOutcome == ledger.ChargedHold {
				want.Cost = boundOf(body)
			}
			if !reflect.DeepEqual(entry, want) {
				t.Errorf("ledger:\n got %+v\nwant %+v", entry, want)
			}
			if end.Cost != want.Cost || string(end.Entry) != string(entry.Encode()) {
				t.Errorf("settled with %s and %s, want %s and the entry", end.Cost, end.Entry, want.Cost)
			}
			wantUnused := int64(len(body)) + 100 - map[ledger.Outcome]int64{
				ledger.Settled: tc.wantUsage.Total(), ledger.ChargedHold: int64(len(body)) + 100,
			}[tc.wantOutcome]
			var unused int64
			for _, bucket := range bucketsOf(end.Accounts) {
				unused += bucket.Need
			}
			if unused != wantUnused {
				t.Errorf("%d tokens are given back, want %d", unused, wantUnused)
			}
			if entry.Duration <= 0 || entry.SettledAt.Before(admittedAt) || entry.SettledAt.After(admittedAt.Add(entry.Duration)) {
				t.Errorf("took %s, settled at %s", entry.Duration, entry.SettledAt)
			}
			sawTokens := tc.wantStatus == 200 && strings.Contains(tc.wantBody, chunk)
			if (entry.TimeToFirstToken != nil) != sawTokens || sawTokens && (*entry.TimeToFirstToken <= 0 || *entry.TimeToFirstToken > entry.Duration) {
				t.Errorf("time to the first token: %v", entry.TimeToFirstToken)
			}
		})
	}
}

// TestHoldIsTakenFirst: the provider is asked when the hold stands, and not before;
// while the call is open, Redis has what is needed to charge it.
func TestHoldIsTakenFirst(t *testing.T) {
	var d *door
	d = newDoor(t, func(w http.ResponseWriter, r *http.Request) {
		if d.store.held() != 1 {
			t.Errorf("%d calls are held while the provider answers, want 1", d.store.held())
		}
		body, _ := io.ReadAll(r.Body)
		if want := strings.Replace(chat, `{"model":"mini"`, `{"max_completion_tokens":100,"model":"mini-2026"`, 1); string(body) != want {
			t.Errorf("the provider got %s, want %s", body, want)
		}
		if got := r.Header.Get("X-Request-Id"); got != d.store.admits[0].CallID {
			t.Errorf("the provider knows the call as %q, want %q", got, d.store.admits[0].CallID)
		}
		w.Header().Set("X-Ratelimit-Limit-Requests", "10000")
		whole(200, answer)(w, r)
	})
	got := d.call(chat)
	for name, want := range map[string]string{
		proxy.CallIDHeader:               d.store.admits[0].CallID,
		"X-Ratelimit-Limit-Requests":     "20",
		"X-Ratelimit-Remaining-Requests": "19",
		"X-Ratelimit-Reset-Requests":     "3s",
		"X-Ratelimit-Limit-Tokens":       "200000",
		"X-Ratelimit-Remaining-Tokens":   fmt.Sprint(200_000 - len(chat) - 100),
		"Content-Type":                   "application/json",
		"Content-Length":                 fmt.Sprint(len(answer)),
	} {
		if value := got.header.Get(name); value != want {
			t.Errorf("%s: got %q, want %q", name, value, want)
		}
	}
	record, err := ledger.Decode(d.store.admits[0].Record)
	if err != nil || record.Held != boundOf(chat) || record.User != "gerente-1" || record.Outcome != "" || record.Session != "session-1" {
		t.Errorf("the open call's record: %+v, %v", record, err)
	}
}

// gated is an upstream that streams a chunk, then waits to be let on.
type gated struct {
	started, on chan struct{}
	left        chan error // why it ended, when it was cancelled
}

func newGated() *gated {
	return &gated{started: make(chan struct{}), on: make(chan struct{}), left: make(chan error, 1)}
}

func (g *gated) serve(w http.ResponseWriter, r *http.Request) {
	stream(chunk)(w, r)
	close(g.started)
	select {
	case <-g.on:
		stream(usageChunk, done)(w, r)
	case <-r.Context().Done():
		g.left <- r.Context().Err()
	}
}

// hangUpMidStream makes a call and hangs up once its first chunk is there.
func (d *door) hangUpMidStream() {
	d.t.Helper()
	ctx, hangUp := context.WithCancel(d.t.Context())
	defer hangUp()
	response, err := http.DefaultClient.Do(d.request("POST", "/v1/chat/completions", streamedChat).WithContext(ctx))
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := io.ReadFull(response.Body, make([]byte, len(chunk))); err != nil {
		d.t.Fatal(err)
	}
	hangUp()
	_ = response.Body.Close()
}

func TestClientHangsUp(t *testing.T) {
	t.Run("and the answer is drained", func(t *testing.T) {
		upstream := newGated()
		d := newDoor(t, upstream.serve)
		d.hangUpMidStream()
		close(upstream.on)
		entry, _ := d.ending()
		if entry.Outcome != ledger.Settled || entry.Cost != usedCost {
			t.Errorf("got %s at %s, want the truth: %s", entry.Outcome, entry.Cost, usedCost)
		}
	})
	t.Run("and the answer takes too long", func(t *testing.T) {
		upstream := newGated()
		d := newDoor(t, upstream.serve, func(o *proxy.Options) { o.DrainTimeout = 50 * time.Millisecond })
		d.hangUpMidStream()
		entry, _ := d.ending()
		if entry.Outcome != ledger.ChargedHold || entry.Cost != boundOf(streamedChat) {
			t.Errorf("got %s at %s, want the hold: %s", entry.Outcome, entry.Cost, boundOf(streamedChat))
		}
		if err := <-upstream.left; !errors.Is(err, context.Canceled) {
			t.Errorf("the provider was left with %v", err)
		}
	})
	t.Run("and the answer has no end", func(t *testing.T) {
		started := make(chan struct{})
		left := make(chan struct{})
		d := newDoor(t, func(w http.ResponseWriter, r *http.Request) {
			stream(chunk)(w, r)
			close(started)
			comment := []byte(":" + strings.Repeat(" ", 1<<20) + "\n\n")
			for r.Context().Err() == nil {
				_, _ = w.Write(comment)
			}
			close(left)
		})
		d.hangUpMidStream()
		entry, _ := d.ending()
		if entry.Outcome != ledger.ChargedHold {
			t.Errorf("got %s, want the hold charged", entry.Outcome)
		}
		<-left
	})
	t.Run("before the answer begins", func(t *testing.T) {
		asked, on := make(chan struct{}), make(chan struct{})
		d := newDoor(t, func(w http.ResponseWriter, r *http.Request) {
			close(asked)
			<-on
			whole(200, answer)(w, r)
		})
		ctx, hangUp := context.WithCancel(t.Context())
		go func() {
			<-asked
			hangUp()
		}()
		if got := d.do(d.request("POST", "/v1/chat/completions", chat).WithContext(ctx)); !errors.Is(got.err, context.Canceled) {
			t.Fatalf("got %+v", got)
		}
		close(on)
		entry, _ := d.ending()
		if entry.Outcome != ledger.Settled || entry.Cost != usedCost {
			t.Errorf("got %s at %s, want the truth: %s", entry.Outcome, entry.Cost, usedCost)
		}
	})
}

// TestSettlingDoesNotHoldUpTheClient: the answer is there before its cost is posted,
// and the ledger has it afterwards.
func TestSettlingDoesNotHoldUpTheClient(t *testing.T) {
	d := newDoor(t, whole(200, answer))
	d.store.setSettles(errLost)
	if got := d.call(chat); got.status != 200 || got.body != answer {
		t.Errorf("got %+v", got)
	}
	if n := len(d.ledger.all()); n != 0 {
		t.Errorf("%d calls went to the ledger before they were settled", n)
	}
	d.store.setSettles(nil)
	entry, _ := d.ending()
	if entry.Cost != usedCost {
		t.Errorf("settled at %s, want %s", entry.Cost, usedCost)
	}
}

func TestDrain(t *testing.T) {
	d := newDoor(t, whole(200, answer))
	d.store.setSettles(errLost)
	d.call(chat)
	d.call(chat)
	d.server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := d.proxy.Drain(ctx); err == nil || err.Error() != "2 calls were not settled" {
		t.Errorf("drained with %v, though the store is lost", err)
	}
	if n := len(d.ledger.all()); n != 0 {
		t.Errorf("%d calls that were not settled are in the ledger", n)
	}
}

// TestShutdownMidStream: the stream finishes, and Drain returns when its call is
// settled.
func TestShutdownMidStream(t *testing.T) {
	upstream := newGated()
	d := newDoor(t, upstream.serve)
	replies := make(chan reply, 1)
	go func() { replies <- d.call(streamedChat) }()
	<-upstream.started
	down := make(chan error, 1)
	go func() { down <- d.server.Config.Shutdown(context.Background()) }()
	eventually(t, "the port is closed", func() bool {
		conn, err := net.Dial("tcp", d.server.Listener.Addr().String())
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	select {
	case err := <-down:
		t.Fatalf("shut down mid-stream: %v", err)
	default:
	}
	close(upstream.on)
	if got := <-replies; got.body != chunk+done || got.err != nil {
		t.Errorf("the client sees %q, %v", got.body, got.err)
	}
	if err := errors.Join(<-down, d.proxy.Drain(t.Context())); err != nil {
		t.Fatal(err)
	}
	if entries := d.ledger.all(); len(entries) != 1 || entries[0].Cost != usedCost {
		t.Errorf("in the ledger: %+v", entries)
	}
}

// TestCut: a shutdown that cannot wait ends answers as their providers might.
func TestCut(t *testing.T) {
	d := newDoor(t, newGated().serve)
	response, err := http.DefaultClient.Do(d.request("POST", "/v1/chat/completions", streamedChat))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.ReadFull(response.Body, make([]byte, len(chunk))); err != nil {
		t.Fatal(err)
	}
	d.proxy.Cut()
	if rest, err := io.ReadAll(response.Body); !strings.HasPrefix(string(rest), `data: {"error":`) || err != nil {
		t.Errorf("the client sees %q, %v", rest, err)
	}
	if entry, _ := d.ending(); entry.Outcome != ledger.ChargedHold {
		t.Errorf("got %s, want the hold charged", entry.Outcome)
	}
}

// TestPanic: a bug on the way of a call does not leave its hold open.
func TestPanic(t *testing.T) {
	for name, upstream := range map[string]http.HandlerFunc{
		"before the answer": whole(200, answer), "in a stream": stream(chunk, usageChunk, done),
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, upstream)
			handler := d.server.Config.Handler
			panicking := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				handler.ServeHTTP(panicWriter{w}, r)
			}))
			panicking.Config.ErrorLog = d.server.Config.ErrorLog
			defer panicking.Close()
			d.url = panicking.URL
			if got := d.call(streamedChat); got.err == nil && got.body != "" {
				t.Errorf("the client sees %+v", got)
			}
			if entry, _ := d.ending(); entry.Outcome != ledger.ChargedHold || entry.Cost != boundOf(streamedChat) {
				t.Errorf("got %s at %s, want the hold: %s", entry.Outcome, entry.Cost, boundOf(streamedChat))
			}
		})
	}
}

// panicWriter panics when it is written to.
type panicWriter struct{ http.ResponseWriter }

func (panicWriter) Write([]byte) (int, error)     { panic("a bug") }
func (w panicWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// TestStreamIsNotHeldBack: each frame is with the client before the next is made.
func TestStreamIsNotHeldBack(t *testing.T) {
	next := make(chan struct{})
	d := newDoor(t, func(w http.ResponseWriter, r *http.Request) {
		for range 3 {
			stream(chunk)(w, r)
			<-next
		}
		stream(usageChunk, done)(w, r)
	})
	response, err := http.DefaultClient.Do(d.request("POST", "/v1/chat/completions", streamedChat))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body := bufio.NewReader(response.Body)
	for range 3 {
		line, err := body.ReadString('\n')
		if blank, _ := body.ReadString('\n'); err != nil || line+blank != chunk {
			t.Fatalf("got %q, %v", line+blank, err)
		}
		next <- struct{}{}
	}
	if rest, err := io.ReadAll(body); string(rest) != done || err != nil {
		t.Errorf("at the end: %q, %v", rest, err)
	}
}

func TestModels(t *testing.T) {
	d := newDoor(t, nil)
	got := d.do(d.request("GET", "/v1/models", ""))
	want := `{"object":"list","data":[{"id":"mini","object":"model","created":0,"owned_by":"fake"}]}` + "\n"
	if got.status != 200 || got.body != want || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s, want %s", got.status, got.body, want)
	}
	virtual := dollarADay
	virtual.VirtualModels = map[string][]string{"thrifty": {"mini"}, "auto": {"maxi", "mini"}, "mini": {"maxi", "mini"}}
	d.config.tenant = newTenant(t, virtual)
	want = `{"object":"list","data":[{"id":"auto","object":"model","created":0,"owned_by":"acme"},` +
		`{"id":"mini","object":"model","created":0,"owned_by":"acme"},{"id":"thrifty","object":"model","created":0,"owned_by":"acme"}]}` + "\n"
	if got := d.do(d.request("GET", "/v1/models", "")); got.body != want {
		t.Errorf("with virtual models got %s, want %s", got.body, want)
	}
	d.config.tenant = newTenant(t, dollarADay)
	d.config.routes = nil
	if got := d.do(d.request("GET", "/v1/models", "")); !json.Valid([]byte(got.body)) || !strings.Contains(got.body, `"data":[]`) {
		t.Errorf("without models: %s", got.body)
	}
	request := d.request("GET", "/v1/models", "")
	request.Header.Del("Authorization")
	if got := d.do(request); got.status != 401 {
		t.Errorf("without a key: %d", got.status)
	}
}

// TestModelOfAnotherProtocol: a model that its provider serves in another way is
// not to be had here.
func TestModelOfAnotherProtocol(t *testing.T) {
	d := newDoor(t, func(http.ResponseWriter, *http.Request) { t.Error("the provider was asked") })
	d.config.routes = append([]*config.Route{}, &config.Route{
		Provider: limiterv1.Provider{Name: "other", Protocol: "Other"}, Model: mini,
	})
	if got := d.call(chat); got.status != 404 || !strings.Contains(got.body, "model_not_found") {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

// TestClientThatDoesNotRead: it counts as gone, and its call ends with the truth.
func TestClientThatDoesNotRead(t *testing.T) {
	comment := ":" + strings.Repeat(" ", 1<<20) + "\n\n"
	d := newDoor(t, func(w http.ResponseWriter, r *http.Request) {
		stream(chunk)(w, r)
		for range 32 { // more than the buffers between the two can take
			_, _ = io.WriteString(w, comment)
		}
		stream(usageChunk, done)(w, r)
	})
	d.proxy.SetWriteTimeout(50 * time.Millisecond)
	conn, err := net.Dial("tcp", d.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := d.request("POST", "/v1/chat/completions", streamedChat).Write(conn); err != nil {
		t.Fatal(err)
	}
	if entry, _ := d.ending(); entry.Outcome != ledger.Settled || entry.Cost != usedCost {
		t.Errorf("got %s at %s, want the truth: %s", entry.Outcome, entry.Cost, usedCost)
	}
}

// TestSilence: the time that a client has to take in an answer does not run while
// the provider is silent, nor does it end the next answer on the connection.
func TestSilence(t *testing.T) {
	const timeout = 20 * time.Millisecond
	d := newDoor(t, func(w http.ResponseWriter, r *http.Request) {
		for _, piece := range []string{chunk, usageChunk, done, ""} {
			stream(piece)(w, r)
			time.Sleep(3 * timeout)
		}
	})
	d.proxy.SetWriteTimeout(timeout)
	conn, err := net.Dial("tcp", d.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	replies := bufio.NewReader(conn)
	for _, tc := range []struct {
		body string
		want int
	}{{streamedChat, 200}, {"{}", 400}, {streamedChat, 200}} {
		if err := d.request("POST", "/v1/chat/completions", tc.body).Write(conn); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(replies, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != tc.want {
			t.Errorf("got %d %q, %v; want %d", response.StatusCode, body, err, tc.want)
		}
		time.Sleep(3 * timeout)
	}
}
