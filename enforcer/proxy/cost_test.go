package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/call"
)

// TestCostOfAnAnswer: an answer says what it cost, as the ledger has it: in its header or, if it is
// too large or too slow to be held back, or a stream, in its trailer. The client gets the same
// bytes either way.
func TestCostOfAnAnswer(t *testing.T) {
	late := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for range 3 { // as some providers do while they think
			_, _ = fmt.Fprint(w, "\n")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(700 * time.Millisecond)
		}
		_, _ = fmt.Fprint(w, answer)
	}
	large := strings.Repeat(" ", 300<<10) + answer
	for name, tc := range map[string]struct {
		upstream http.HandlerFunc
		request  string
		want     string
		tells    where
	}{
		"whole":                   {whole(200, answer), chat, answer, inHeader},
		"an error":                {whole(422, `{"error":{}}`), chat, `{"error":{}}`, inHeader},
		"of much":                 {whole(200, large), chat, large, inTrailer},
		"that is late":            {late, chat, "\n\n\n" + answer, inTrailer},
		"streamed":                {stream(chunk, usageChunk, done), streamedChat, chunk + done, inTrailer},
		"a stream without a type": {typed("", chunk, usageChunk, done), streamedChat, chunk + done, inTrailer},
		"a stream that is cut": {
			stream(chunk, cut), streamedChat, chunk + "data: " + errorBody("provider_cut", "The provider's answer was cut off before its end. Sending it again makes, and pays for, a new call.") + "\n\n", inTrailer,
		},
		"of a provider that says so itself": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(call.CostHeader, "0.00")
			stream(chunk, usageChunk, done)(w, r)
		}, streamedChat, chunk + done, inTrailer},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, tc.upstream)
			got := d.call(tc.request)
			entry, _ := d.ending()
			for place, header := range map[where]http.Header{inHeader: got.header, inTrailer: got.trailer} {
				told, want := header.Get(call.CostHeader), ""
				if place == tc.tells {
					want = entry.Cost.String()
				}
				if told != want {
					t.Errorf("the %s says %q, want %q", place, told, want)
				}
			}
			if got.body != tc.want {
				t.Errorf("the client sees %d bytes, want %d", len(got.body), len(tc.want))
			}
		})
	}
}

// where an answer says what it cost.
type where string

const inHeader, inTrailer where = "header", "trailer"

// TestCostComment: a client that asks for it gets the cost of a stream in a comment at its end, without
// a blank line after it, unless its protocol has clients that would take it for something else.
func TestCostComment(t *testing.T) {
	for name, tc := range map[string]struct {
		upstream http.HandlerFunc
		path     string
		body     string
		asks     string
		want     bool
	}{
		"asked for":      {stream(chunk, usageChunk, done), "/v1/chat/completions", streamedChat, "true", true},
		"not asked for":  {stream(chunk, usageChunk, done), "/v1/chat/completions", streamedChat, "", false},
		"asked oddly":    {stream(chunk, usageChunk, done), "/v1/chat/completions", streamedChat, "yes", false},
		"of a whole one": {whole(200, answer), "/v1/chat/completions", chat, "true", false},
		"no line's end":  {stream(chunk, usageChunk, strings.TrimSpace(done)), "/v1/chat/completions", streamedChat, "true", true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, tc.upstream)
			request := d.request(http.MethodPost, tc.path, tc.body)
			if tc.asks != "" {
				request.Header.Set(call.CostCommentHeader, tc.asks)
			}
			got := d.do(request)
			entry, _ := d.ending()
			want := "\n: bursar call-id=" + entry.CallID + " cost-usd=" + entry.Cost.String() + "\n"
			if strings.HasSuffix(got.body, want) != tc.want || !tc.want && strings.Contains(got.body, "bursar") {
				t.Errorf("got %q, want %q at its end: %t", got.body, want, tc.want)
			}
		})
	}
	d := newProtocolsDoor(t, stream(`data: {"candidates":[{"content":{"parts":[{"text":"ok"}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":2,"totalTokenCount":12}}`+"\n\n"))
	request := d.ask(t.Context(), apiNamed("Gemini"), "hi", 10, true)
	request.Header.Set(call.CostCommentHeader, "true")
	if got := d.do(request); strings.Contains(got.body, "bursar") || got.trailer.Get(call.CostHeader) == "" {
		t.Errorf("got %q, and the trailer %v", got.body, got.trailer)
	}
}

// TestNearestLimit: an answer says what is left of the tenant's limits, or the user's, that has
// the least left.
func TestNearestLimit(t *testing.T) {
	d := newDoor(t, stream(chunk, usageChunk, done))
	d.store.reply = &admission.AdmitReply{Now: admittedAt, AdmittedAt: admittedAt, Nearest: 2, Left: 12 * money.Cent}
	got := d.call(streamedChat)
	if name, left := got.header.Get(call.LimitHeader), got.header.Get(call.LeftHeader); name != "each-user" || left != "0.12" {
		t.Errorf("%q is left of %q", left, name)
	}
	d.store.reply = &admission.AdmitReply{Now: admittedAt, AdmittedAt: admittedAt, Nearest: 1, Left: -money.Cent}
	if got := d.call(streamedChat); got.header.Get(call.LimitHeader) != "daily" || got.header.Get(call.LeftHeader) != "0.00" {
		t.Errorf("got %v", got.header)
	}
	d.store.reply = &admission.AdmitReply{Now: admittedAt, AdmittedAt: admittedAt}
	if got := d.call(streamedChat); got.header.Get(call.LimitHeader) != "" || got.header.Get(call.LeftHeader) != "" {
		t.Errorf("got %v", got.header)
	}
}
