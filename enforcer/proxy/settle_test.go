package proxy_test

import (
	"cmp"
	"context"
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

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestEndOfACall: what the client sees, and how the hold ends, whatever the
// provider does.
func TestEndOfACall(t *testing.T) {
	// What a call can have used of which a chunk was seen: the input that was held, the bytes of
	// its text, the end of a message, and another such chunk that was not sent.
	seenOfChunk := price.Usage{Input: int64(len(streamedChat)), Output: 5 + 2 + 5}
	large := `{"id":"` + strings.Repeat("x", 70<<10)
	const cutOff = "The provider's answer was cut off before its end. Sending it again makes, and pays for, a new call."
	const operators = " Your request did not cause this: the operator of Bursar must fix it. Report call CALL."
	for name, tc := range map[string]struct {
		upstream    http.HandlerFunc // nil: nobody listens
		body        string
		wantStatus  int
		wantBody    string
		wantCut     bool
		wantOutcome ledgerv1.Outcome
		wantUsage   price.Usage
		wantCost    money.Nanos // of Settled and ChargedSeen
	}{
		"a whole answer": {
			upstream: whole(200, answer), wantStatus: 200, wantBody: answer,
			wantOutcome: ledgerv1.Settled, wantUsage: used, wantCost: usedCost,
		},
		"a stream": {
			upstream: stream(chunk, usageChunk, done), body: streamedChat, wantStatus: 200, wantBody: chunk + done,
			wantOutcome: ledgerv1.Settled, wantUsage: used, wantCost: usedCost,
		},
		"a stream whose usage the client asked for": {
			upstream: stream(chunk, usageChunk, done), body: strings.Replace(streamedChat, `"stream":true`, `"stream":true,"stream_options":{"include_usage":true}`, 1),
			wantStatus: 200, wantBody: chunk + usageChunk + done,
			wantOutcome: ledgerv1.Settled, wantUsage: used, wantCost: usedCost,
		},
		"a whole answer to who asked for a stream": {
			upstream: whole(200, answer), body: streamedChat, wantStatus: 200, wantBody: answer,
			wantOutcome: ledgerv1.Settled, wantUsage: used, wantCost: usedCost,
		},
		"a stream that does not say that it is one": {
			upstream: typed("", chunk, usageChunk, done), body: streamedChat, wantStatus: 200, wantBody: chunk + done,
			wantOutcome: ledgerv1.Settled, wantUsage: used, wantCost: usedCost,
		},
		"a stream that says that it is an object": {
			upstream: typed("application/json", "\n", ": w", "ait\n\n"+chunk, usageChunk, done), body: streamedChat, wantStatus: 200, wantBody: "\n: wait\n\n" + chunk + done,
			wantOutcome: ledgerv1.Settled, wantUsage: used, wantCost: usedCost,
		},
		"a stream to who asked for none, without a type": {
			upstream: typed("text/plain", chunk, usageChunk, done), wantStatus: 200, wantBody: chunk + done,
			wantOutcome: ledgerv1.Settled, wantUsage: used, wantCost: usedCost,
		},
		"a stream without a type that is cut": {
			upstream: typed("", chunk, cut), body: streamedChat, wantStatus: 200, wantBody: chunk + "data: " + errorBody("provider_cut", cutOff) + "\n\n",
			wantOutcome: ledgerv1.ChargedSeen, wantUsage: seenOfChunk, wantCost: money.Nanos(len(streamedChat)*1000 + 12*10_000),
		},
		"an object that says that it is a stream": {
			upstream: typed("text/event-stream", answer[:1], answer[1:]), body: streamedChat, wantStatus: 200, wantBody: answer,
			wantOutcome: ledgerv1.Settled, wantUsage: used, wantCost: usedCost,
		},
		"neither": {
			upstream: typed("", "da", "ft"), body: streamedChat, wantStatus: 200, wantBody: "daft", wantOutcome: ledgerv1.ChargedHold,
		},
		"not enough to tell": {
			upstream: typed("", "da"), body: streamedChat, wantStatus: 200, wantBody: "da", wantOutcome: ledgerv1.ChargedHold,
		},
		"a byte order mark": {
			upstream: whole(200, "\uFEFF"+answer), wantStatus: 200, wantBody: "\uFEFF" + answer,
			wantOutcome: ledgerv1.Settled, wantUsage: used, wantCost: usedCost,
		},
		"an answer without usage": {
			upstream: whole(200, `{"choices":[]}`), wantStatus: 200, wantBody: `{"choices":[]}`,
			wantOutcome: ledgerv1.ChargedHold,
		},
		"an empty answer": {
			upstream: whole(200, ""), wantStatus: 200, wantOutcome: ledgerv1.ChargedHold,
		},
		"a stream without usage": {
			upstream: stream(chunk, done), body: streamedChat, wantStatus: 200, wantBody: chunk + done,
			wantOutcome: ledgerv1.ChargedHold,
		},
		"a usage that nobody could pay": {
			upstream:   whole(200, `{"usage":{"prompt_tokens":1000000000,"completion_tokens":1000000000}}`),
			wantStatus: 200, wantBody: `{"usage":{"prompt_tokens":1000000000,"completion_tokens":1000000000}}`,
			wantOutcome: ledgerv1.Settled, wantUsage: price.Usage{Input: 1e9, Output: 1e9}, wantCost: 1e9*1000 + 1e9*10_000,
		},
		"more than the bound": {
			upstream:   whole(200, `{"usage":{"prompt_tokens":1,"completion_tokens":1000}}`),
			wantStatus: 200, wantBody: `{"usage":{"prompt_tokens":1,"completion_tokens":1000}}`,
			wantOutcome: ledgerv1.Settled, wantUsage: price.Usage{Input: 1, Output: 1000}, wantCost: 1000 + 1000*10_000,
		},
		"a refusal": {
			upstream: whole(429, `{"error":{"message":"slow down"}}`), wantStatus: 429, wantBody: `{"error":{"message":"slow down"}}`,
			wantOutcome: ledgerv1.Voided,
		},
		"an error that reports usage": {
			upstream: whole(500, answer), wantStatus: 500, wantBody: answer,
			wantOutcome: ledgerv1.Settled, wantUsage: used, wantCost: usedCost,
		},
		"an error that reports that nothing was used": {
			upstream: whole(400, `{"error":{},"usage":{"prompt_tokens":0,"completion_tokens":0}}`), wantStatus: 400, wantBody: `{"error":{},"usage":{"prompt_tokens":0,"completion_tokens":0}}`,
			wantOutcome: ledgerv1.Voided,
		},
		"a refusal of a stream, as a stream": {
			upstream: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				w.WriteHeader(500)
				_, _ = io.WriteString(w, "data: {\"error\":{}}\n\n")
			},
			body: streamedChat, wantStatus: 500, wantBody: "data: {\"error\":{}}\n\n", wantOutcome: ledgerv1.Voided,
		},
		"Bursar's key is refused": {
			upstream:   whole(401, `{"error":{"message":"Incorrect API key provided: sk-secret"}}`),
			wantStatus: 502, wantBody: errorBody("provider_refused", `The provider of model "mini" rejected Bursar's request with status 401.`+operators) + "\n", wantOutcome: ledgerv1.Voided,
		},
		"Bursar's path is not known, in a page that no client reads": {
			upstream:   func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "404 page not found", 404) },
			wantStatus: 502, wantBody: errorBody("provider_refused", `The provider of model "mini" rejected Bursar's request with status 404.`+operators) + "\n", wantOutcome: ledgerv1.Voided,
		},
		"the provider does not find what the call names": {
			upstream:   whole(404, `{"error":{"message":"no such file"}}`),
			wantStatus: 404, wantBody: `{"error":{"message":"no such file"}}`, wantOutcome: ledgerv1.Voided,
		},
		"a redirect": {
			upstream: func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://elsewhere.example", http.StatusTemporaryRedirect)
			},
			wantStatus: 502, wantBody: errorBody("provider_refused", `The provider of model "mini" rejected Bursar's request with status 307.`+operators) + "\n", wantOutcome: ledgerv1.Voided,
		},
		"nobody listens": {
			wantStatus: 502, wantBody: errorBody("provider_unreachable", `The provider of model "mini" could not be reached: it refused the connection.`+operators) + "\n", wantOutcome: ledgerv1.Voided,
		},
		"no answer": {
			upstream: hijack(""), wantStatus: 502, wantBody: errorBody("provider_failed", "The call was sent to the provider, which did not answer. Sending it again makes, and pays for, a new call.") + "\n",
			wantOutcome: ledgerv1.ChargedHold,
		},
		"cut before the first byte of a whole answer": {
			upstream:   hijack("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"),
			wantStatus: 502, wantBody: errorBody("provider_cut", cutOff) + "\n", wantOutcome: ledgerv1.ChargedHold,
		},
		"cut within a whole answer": {
			upstream:   hijack("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"id\""),
			wantStatus: 502, wantBody: errorBody("provider_cut", cutOff) + "\n", wantOutcome: ledgerv1.ChargedHold,
		},
		"cut within a whole answer of which the client has some": {
			upstream:   hijack("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n" + large),
			wantStatus: 200, wantBody: large, wantCut: true, wantOutcome: ledgerv1.ChargedHold,
		},
		"cut within a compressed answer": {
			upstream:   hijack("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: br\r\nContent-Length: 40\r\n\r\n[binary]"),
			wantStatus: 502, wantBody: errorBody("provider_cut", cutOff) + "\n", wantOutcome: ledgerv1.ChargedHold,
		},
		"cut within a stream that says it is compressed": {
			upstream: hijack("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: br\r\nContent-Length: 1000\r\n\r\n" + chunk),
			body:     streamedChat, wantStatus: 200, wantBody: chunk + "data: " + errorBody("provider_cut", cutOff) + "\n\n", wantOutcome: ledgerv1.ChargedHold,
		},
		"cut within an answer that one of two fields says is compressed": {
			upstream:   hijack("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: identity\r\nContent-Encoding: gzip\r\nContent-Length: 40\r\n\r\n[binary]"),
			wantStatus: 502, wantBody: errorBody("provider_cut", cutOff) + "\n", wantOutcome: ledgerv1.ChargedHold,
		},
		"cut within an answer that is compressed, and does not say so": {
			upstream:   hijack("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n\x1f\x8b\x08\x00"),
			wantStatus: 502, wantBody: errorBody("provider_cut", cutOff) + "\n", wantOutcome: ledgerv1.ChargedHold,
		},
		"cut within a stream that is compressed, and does not say so": {
			upstream: stream("\x1f\x8b\x08\x00\n\n", chunk, cut), body: streamedChat, wantStatus: 200,
			wantBody: "\x1f\x8b\x08\x00\n\n" + chunk + "data: " + errorBody("provider_cut", cutOff) + "\n\n", wantOutcome: ledgerv1.ChargedHold,
		},
		"cut within a short whole answer": {
			upstream:   hijack("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n{\"id\""),
			wantStatus: 502, wantBody: errorBody("provider_cut", cutOff) + "\n",
			wantOutcome: ledgerv1.ChargedSeen, wantUsage: price.Usage{Input: int64(len(chat)), Output: 40}, wantCost: money.Nanos(len(chat)*1000 + 40*10_000),
		},
		"cut within a whole answer of unknown length": {
			upstream:   hijack("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"id\"\r\n"),
			wantStatus: 502, wantBody: errorBody("provider_cut", cutOff) + "\n", wantOutcome: ledgerv1.ChargedHold,
		},
		"cut within a stream": {
			upstream: stream(chunk, chunk[:20], cut), body: streamedChat, wantStatus: 200,
			wantBody:    chunk + "data: " + errorBody("provider_cut", cutOff) + "\n\n",
			wantOutcome: ledgerv1.ChargedSeen, wantUsage: seenOfChunk, wantCost: money.Nanos(len(streamedChat)*1000 + 12*10_000),
		},
		"cut within a frame that is longer than all before": {
			upstream: stream(chunk, "data: "+strings.Repeat("x", 100), cut), body: strings.Replace(streamedChat, `"stream"`, `"stream_options":{"include_usage":true},"stream"`, 1), wantStatus: 200,
			wantBody:    chunk + "data: " + strings.Repeat("x", 100) + "\n\ndata: " + errorBody("provider_cut", cutOff) + "\n\n",
			wantOutcome: ledgerv1.ChargedSeen, wantUsage: price.Usage{Input: 114, Output: 12 + 106 - int64(len(chunk))}, wantCost: 114*1000 + (12+106-money.Nanos(len(chunk)))*10_000,
		},
		"cut within a stream whose usage has come": {
			upstream: stream(chunk, usageChunk, cut), body: streamedChat, wantStatus: 200,
			wantBody:    chunk + "data: " + errorBody("provider_cut", cutOff) + "\n\n",
			wantOutcome: ledgerv1.Settled, wantUsage: used, wantCost: usedCost,
		},
		"a stream that ends too early": {
			upstream: stream(chunk), body: streamedChat, wantStatus: 200,
			wantBody:    chunk + "data: " + errorBody("provider_cut", cutOff) + "\n\n",
			wantOutcome: ledgerv1.ChargedSeen, wantUsage: seenOfChunk, wantCost: money.Nanos(len(streamedChat)*1000 + 12*10_000),
		},
		"cut before the first frame": {
			upstream:   hijack("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"),
			wantStatus: 200, wantBody: "data: " + errorBody("provider_cut", cutOff) + "\n\n",
			wantOutcome: ledgerv1.ChargedHold,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, tc.upstream)
			body := or(tc.body, chat)
			got := d.call(body)
			got.body = strings.ReplaceAll(got.body, got.header.Get(call.CallIDHeader), "CALL")
			if got.status != tc.wantStatus || got.body != tc.wantBody || (got.err != nil) != tc.wantCut {
				t.Errorf("the client sees\n got %d %s %v\nwant %d %s", got.status, got.body, got.err, tc.wantStatus, tc.wantBody)
			}
			entry, end := d.ending()
			want := ledgerv1.Entry{
				OpenCall: limiterv1.OpenCall{
					CallID: got.header.Get(call.CallIDHeader), Tenant: "acme", User: "gerente-1", Tier: "gerente",
					Credential: "acme/gerente-1-key", Model: "mini", Root: "acme", Tokens: int64(len(body)) + 100,
				},
				Provider: "fake", ModelAsked: "mini", ModelUsed: "mini-2026", Endpoint: "/v1/chat/completions",
				Streamed: strings.Contains(body, "stream"), Session: "session-1", Held: boundOf(body),
				AdmittedAt: admittedAt, Outcome: tc.wantOutcome, Usage: tc.wantUsage, Cost: tc.wantCost,
				Decision:  ledgerv1.Admitted,
				SettledAt: entry.SettledAt, Duration: entry.Duration, TimeToFirstToken: entry.TimeToFirstToken,
			}
			if tc.wantOutcome == ledgerv1.ChargedHold {
				want.Cost = boundOf(body)
			}
			if !reflect.DeepEqual(entry, want) {
				t.Errorf("ledger:\n got %+v\nwant %+v", entry, want)
			}
			if end.Cost != want.Cost || string(end.Entry) != string(entry.Encode()) {
				t.Errorf("settled with %s and %s, want %s and the entry", end.Cost, end.Entry, want.Cost)
			}
			wantUnused := int64(len(body)) + 100 - map[ledgerv1.Outcome]int64{
				ledgerv1.Settled: tc.wantUsage.Total(), ledgerv1.ChargedSeen: tc.wantUsage.Total(), ledgerv1.ChargedHold: int64(len(body)) + 100,
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

// TestDoubtfulUsageBeyondTheHold: where nobody knows what a call cost, but its provider says that it
// used more tokens than were held, these tokens are charged.
func TestDoubtfulUsageBeyondTheHold(t *testing.T) {
	const usage = `"usage":{"prompt_tokens":8,"completion_tokens":5000`
	for name, tc := range map[string]struct {
		upstream http.HandlerFunc
		body     string
		beyond   bool
	}{
		"a number that is not known":            {whole(200, `{"choices":[],`+usage+`,"sources":3}}`), chat, true},
		"of a model that is not listed":         {whole(200, `{"model":"other","choices":[],`+usage+`}}`), chat, true},
		"more output after it":                  {stream(`data: {"choices":[],`+usage+"}}\n\n", chunk, done), streamedChat, true},
		"a number that is no number":            {whole(200, `{"choices":[],`+usage+`,"total_tokens":"5008"}}`), chat, false},
		"fewer tokens than were held, a number": {whole(200, `{"choices":[],"usage":{"prompt_tokens":8,"completion_tokens":5,"sources":3}}`), chat, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, tc.upstream)
			got := d.call(tc.body)
			want := boundOf(tc.body)
			if tc.beyond {
				want = 8*1000 + 5000*10_000
			}
			entry, end := d.ending()
			if entry.Outcome != ledgerv1.ChargedHold || entry.Cost != want || end.Cost != want || entry.Overrun() != max(0, want-entry.Held) {
				t.Errorf("%s at %s, settled at %s, overrun %s; want %s", entry.Outcome, entry.Cost, end.Cost, entry.Overrun(), want)
			}
			if told := cmp.Or(got.header.Get(call.CostHeader), got.trailer.Get(call.CostHeader)); told != want.String() {
				t.Errorf("the client is told %s, want %s", told, want)
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
		call.CallIDHeader:                d.store.admits[0].CallID,
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
	record, err := ledgerv1.Decode(d.store.admits[0].Record)
	if err != nil || record.Held != boundOf(chat) || record.User != "gerente-1" || record.Outcome != "" || record.Session != "session-1" {
		t.Errorf("the open call's record: %+v, %v", record, err)
	}
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
	var unsettled *call.UnsettledError
	if err := d.calls.Drain(ctx); !errors.As(err, &unsettled) || unsettled.Calls != 2 {
		t.Errorf("drained with %v, though the store is lost; want 2 calls not settled", err)
	}
	if n := len(d.ledger.all()); n != 0 {
		t.Errorf("%d calls that were not settled are in the ledger", n)
	}
	for _, entry := range d.calls.Unsettled() {
		if entry.Outcome != ledgerv1.Settled || entry.Cost != usedCost {
			t.Errorf("an unsettled call has %s at %s, want its true cost %s", entry.Outcome, entry.Cost, usedCost)
		}
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
	testkit.Eventually(t, "the port is closed", func() bool {
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
	if err := errors.Join(<-down, d.calls.Drain(t.Context())); err != nil {
		t.Fatal(err)
	}
	if entries := d.ledger.all(); len(entries) != 1 || entries[0].Cost != usedCost {
		t.Errorf("in the ledger: %+v", entries)
	}
}

// TestPanic: a bug on the way of a call does not leave its hold open.
func TestPanic(t *testing.T) {
	for name, upstream := range map[string]http.HandlerFunc{
		"before the answer": whole(200, strings.Repeat(" ", 300<<10)+answer), // more than is held back "in a stream": stream(chunk, usageChunk, done),
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
			if entry, _ := d.ending(); entry.Outcome != ledgerv1.ChargedHold || entry.Cost != boundOf(streamedChat) {
				t.Errorf("got %s at %s, want the hold: %s", entry.Outcome, entry.Cost, boundOf(streamedChat))
			}
		})
	}
}

// panicWriter panics when it is written to.
type panicWriter struct{ http.ResponseWriter }

func (panicWriter) Write([]byte) (int, error) { panic("a bug") }

func (w panicWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
