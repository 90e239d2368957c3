package proxy_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/hack/fakeprovider"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// api is an API as its clients call it.
type api struct {
	name         string
	path, stream string // stream is empty where the body asks for one
	key          string // the field, or parameter, in which the key is sent
	body         func(prompt string, output int, stream bool) map[string]any
	neverStreams bool
	// header are fields that a request has, and streamedBy is the one of them that says
	// whether a stream is wanted.
	header     map[string]string
	streamedBy string
	// more are directives of the fake that suit the protocol.
	more []string
}

func user(prompt string) []any { return []any{map[string]any{"role": "user", "content": prompt}} }

func chatBody(model string, usage bool) func(string, int, bool) map[string]any {
	return func(prompt string, output int, stream bool) map[string]any {
		body := map[string]any{"messages": user(prompt), "max_completion_tokens": output, "stream": stream}
		if model != "" {
			body["model"] = model
		}
		if stream && usage {
			body["stream_options"] = map[string]any{"include_usage": true}
		}
		return body
	}
}

func geminiBody(prompt string, output int, _ bool) map[string]any {
	return map[string]any{
		"contents":         []any{map[string]any{"role": "user", "parts": []any{map[string]any{"text": prompt}}}},
		"generationConfig": map[string]any{"maxOutputTokens": output},
	}
}

// vercelAPI is a version of Vercel AI Gateway's protocol, with a model.
func vercelAPI(base, specification, model string, more ...string) api {
	return api{
		name: "Vercel " + base, path: base + "/language-model", key: "Authorization", more: more, streamedBy: "ai-language-model-streaming",
		header: map[string]string{"ai-language-model-specification-version": specification, "ai-language-model-id": "gateway/" + model},
		body: func(prompt string, output int, _ bool) map[string]any {
			content := []any{map[string]any{"type": "text", "text": prompt}}
			return map[string]any{"prompt": []any{map[string]any{"role": "user", "content": content}}, "maxOutputTokens": output}
		},
	}
}

var protocols = []api{
	{name: "Chat Completions", path: "/v1/chat/completions", key: "Authorization", body: chatBody("gpt-4o", false), more: []string{"thoughts=2", "audio=1", "noend", "blankend", "place=choice", "place=finish noend", "place=each"}},
	{name: "Chat Completions with usage", path: "/v1/chat/completions", key: "Authorization", body: chatBody("gpt-5", true), more: []string{"tier=flex", "tier=priority", "write=2", "write=3 tier=priority noend", "place=choice noend", "place=each noend write=1"}},
	{name: "Azure", path: "/openai/deployments/gpt-4o-mini/chat/completions?api-version=2024-10-21", key: "Api-Key", body: chatBody("", true)},
	{name: "Responses", path: "/v1/responses", key: "Authorization", more: []string{"thoughts=2", "write=2", "write=1 tier=priority"}, body: func(prompt string, output int, stream bool) map[string]any {
		return map[string]any{"model": "gpt-5", "input": prompt, "max_output_tokens": output, "stream": stream}
	}},
	{name: "Messages", path: "/v1/messages", key: "X-Api-Key", more: []string{"write=2", "write1h=2", "write=1 write1h=1", "write1h=3 unsplit", "geo=us", "speed=fast geo=us write1h=1", "noend"}, body: func(prompt string, output int, stream bool) map[string]any {
		block := map[string]any{"type": "text", "text": prompt, "cache_control": map[string]any{"type": "ephemeral", "ttl": "1h"}}
		return map[string]any{
			"model": "claude-sonnet-4-5", "max_tokens": output, "stream": stream,
			"messages": []any{map[string]any{"role": "user", "content": []any{block}}},
		}
	}},
	{name: "Messages with searches", path: "/v1/messages", key: "X-Api-Key", more: []string{"searches=3", "searches=1 geo=us speed=fast"}, body: func(prompt string, output int, stream bool) map[string]any {
		return map[string]any{
			"model": "claude-sonnet-4-5", "max_tokens": output, "stream": stream, "messages": []any{map[string]any{"role": "user", "content": prompt}},
			"tools": []any{map[string]any{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}},
		}
	}},
	{
		name: "Gemini with a search", path: "/v1beta/models/gemini-2.5-flash:generateContent", stream: "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
		key: "X-Goog-Api-Key", more: []string{"searches=1", "searches=1 noend"}, body: func(prompt string, output int, stream bool) map[string]any {
			body := geminiBody(prompt, output, stream)
			body["tools"] = []any{map[string]any{"googleSearch": map[string]any{}}}
			return body
		},
	},
	{
		name: "Gemini", path: "/v1beta/models/gemini-2.5-flash:generateContent", stream: "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
		key: "X-Goog-Api-Key", more: []string{"thoughts=2", "thoughts=2 noend"}, body: geminiBody,
	},
	{
		name: "Gemini with the key in the query", path: "/v1beta/models/gemini-2.5-flash:generateContent?key=key",
		stream: "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse&key=key", body: geminiBody,
	},
	vercelAPI("/v1/ai", "2", "gpt-4o", "thoughts=2", "noend"),
	vercelAPI("/v3/ai", "3", "gpt-5", "thoughts=2", "write=2", "tier=flex", "write=3 tier=priority noend"),
	vercelAPI("/v4/ai", "4", "claude-sonnet-4-5", "write=2"),
	{
		name: "Vercel's embeddings", path: "/v3/ai/embedding-model", key: "Authorization", neverStreams: true,
		header: map[string]string{"ai-embedding-model-specification-version": "3", "ai-model-id": "gateway/text-embedding-3-small"},
		body:   func(prompt string, _ int, _ bool) map[string]any { return map[string]any{"values": []any{prompt}} },
	},
	{name: "Embeddings", path: "/v1/embeddings", key: "Authorization", neverStreams: true, body: func(prompt string, _ int, _ bool) map[string]any {
		return map[string]any{"model": "text-embedding-3-small", "input": prompt}
	}},
}

// listed are the prices of the fake, written down a second time.
func listed(list price.List, tiers map[price.ServiceTier]int64) price.Book {
	book := price.Book{price.Default: {Base: list}}
	for tier, tenths := range tiers {
		other := price.List{}
		for kind, p := range list {
			other[kind] = p * money.Nanos(tenths) / 10
		}
		book[tier] = price.Tariff{Base: other}
	}
	return book
}

// newProtocolsDoor is a door before the fake, which has all of its models there.
func newProtocolsDoor(t *testing.T, upstream http.HandlerFunc, change ...func(*doorOptions)) *door {
	t.Helper()
	d := newDoor(t, upstream, change...)
	base := strings.TrimSuffix(d.config.routes[0].Provider.Endpoint, "/v1")
	d.config.routes = nil
	add := func(protocol limiterv1.Protocol, path, model string, list price.List, tiers map[price.ServiceTier]int64) {
		d.config.routes = append(d.config.routes, &config.Route{
			Provider: limiterv1.Provider{Name: string(protocol), Protocol: protocol, Endpoint: base + path},
			Model:    limiterv1.Model{Name: model, UpstreamName: model, ContextWindow: 4000, MaxOutputTokens: 200, Prices: listed(list, tiers)},
		})
	}
	const cent, mill = money.Cent, money.Cent / 10
	add(limiterv1.OpenAI, "/v1", "gpt-4o", price.List{price.Input: 250 * cent, price.CachedInput: 125 * cent, price.AudioInput: 4000 * cent, price.Output: 1000 * cent}, map[price.ServiceTier]int64{"priority": 17})
	add(limiterv1.OpenAI, "/v1", "gpt-5", price.List{price.Input: 125 * cent, price.CachedInput: 125 * mill, price.CacheWrite5m: 1250 * cent / 8, price.Output: 1000 * cent}, map[price.ServiceTier]int64{"flex": 5, "priority": 20})
	add(limiterv1.OpenAI, "/v1", "text-embedding-3-small", price.List{price.Input: 2 * cent, price.CachedInput: 2 * cent, price.Output: 0}, nil)
	add(limiterv1.AzureOpenAI, "/openai", "gpt-4o-mini", price.List{price.Input: 15 * cent, price.CachedInput: 75 * mill, price.Output: 60 * cent}, nil)
	add(limiterv1.Anthropic, "/v1", "claude-sonnet-4-5", price.List{price.Input: 300 * cent, price.CachedInput: 30 * cent, price.CacheWrite5m: 375 * cent, price.CacheWrite1h: 600 * cent, price.Output: 1500 * cent}, nil)
	add(limiterv1.Gemini, "/v1beta", "gemini-2.5-flash", price.List{price.Input: 30 * cent, price.CachedInput: 3 * cent, price.AudioInput: 100 * cent, price.Output: 250 * cent}, nil)
	for _, route := range d.config.routes {
		if route.Provider.Protocol == limiterv1.OpenAI || route.Provider.Protocol == limiterv1.Anthropic {
			atGateway := *route
			atGateway.Provider.Name, atGateway.Provider.Protocol, atGateway.Provider.Endpoint = "vercel", limiterv1.VercelAIGateway, base
			atGateway.Model.Name, atGateway.Model.UpstreamName = "gateway/"+route.Model.Name, "maker/"+route.Model.Name
			atGateway.Model.Prices = maps.Clone(route.Model.Prices)
			d.config.routes = append(d.config.routes, &atGateway)
		}
	}
	for _, route := range d.config.routes {
		for tier, tariff := range route.Model.Prices {
			tariff.Multipliers = []price.Multiplier{
				{Property: "inference_geo", Value: "us", Factor: price.One * 11 / 10}, {Property: "speed", Value: "fast", Factor: 6 * price.One},
			}
			tariff.Fees = price.Fees{"web_search": cent, "google_search": 35 * mill}
			route.Model.Prices[tier] = tariff
		}
	}
	return d
}

// ask is a request of the protocol.
func (d *door) ask(ctx context.Context, p api, prompt string, output int, stream bool) *http.Request {
	d.t.Helper()
	body, err := json.Marshal(p.body(prompt, output, stream))
	if err != nil {
		d.t.Fatal(err)
	}
	path := p.path
	if stream && p.stream != "" {
		path = p.stream
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url+path, bytes.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	for name, value := range p.header {
		r.Header.Set(name, value)
	}
	if p.streamedBy != "" {
		r.Header.Set(p.streamedBy, strconv.FormatBool(stream))
	}
	switch p.key {
	case "":
	case "Authorization":
		r.Header.Set(p.key, "Bearer key")
	default:
		r.Header.Set(p.key, "key")
	}
	return r
}

// entry is the ledger's entry of a call, once it is there.
func (d *door) entry(callID string) (found ledgerv1.Entry) {
	d.t.Helper()
	testkit.Eventually(d.t, "call "+callID+" is settled", func() bool {
		d.ledger.mu.Lock()
		defer d.ledger.mu.Unlock()
		for _, e := range slices.Backward(d.ledger.given) {
			if e.CallID == callID {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

// TestProtocols: through the door, with the key where each protocol's clients send
// it, every call comes to what the provider's bill says.
func TestProtocols(t *testing.T) {
	fake := fakeprovider.New(fakeprovider.Options{})
	d := newProtocolsDoor(t, fake.ServeHTTP)
	for _, p := range protocols {
		for _, directives := range append([]string{"", "cached=2", "crlf comments split=7", "duplicate", "usage=zero"}, p.more...) {
			for _, stream := range []bool{false, true} {
				if stream && p.neverStreams {
					continue
				}
				t.Run(fmt.Sprintf("%s %s stream=%t", p.name, directives, stream), func(t *testing.T) {
					got := d.do(d.ask(t.Context(), p, "one two three [[output=5 "+directives+"]]", 20, stream))
					if got.status != http.StatusOK || got.err != nil {
						t.Fatalf("%d %s %v", got.status, got.body, got.err)
					}
					if stream && strings.Contains(got.body, "error") {
						t.Errorf("the client sees an error:\n%s", got.body)
					}
					entry, billed := d.entry(got.header.Get(call.CallIDHeader)), billOf(t, fake, got)
					outcome, want := ledgerv1.Settled, money.Nanos(billed.CostNanos)
					if directives == "usage=zero" {
						outcome, want = ledgerv1.ChargedHold, entry.Held // it cannot be true
					}
					if entry.Outcome != outcome || entry.Cost != want || entry.Held < want {
						t.Errorf("ledger %+v\nbill %+v", entry, billed)
					}
				})
			}
		}
	}
}

func billOf(t *testing.T, fake *fakeprovider.Provider, got reply) fakeprovider.BilledCall {
	t.Helper()
	for _, billed := range fake.Bill().Calls {
		if billed.ID == got.header.Get(call.CallIDHeader) {
			return billed
		}
	}
	t.Fatal("the call is not on the bill")
	return fakeprovider.BilledCall{}
}

// TestUsageThatCannotBeBelieved: the hold is charged.
func TestUsageThatCannotBeBelieved(t *testing.T) {
	fake := fakeprovider.New(fakeprovider.Options{})
	d := newProtocolsDoor(t, fake.ServeHTTP)
	for _, p := range protocols {
		for _, directives := range []string{"usage=none", "usage=negative", "usage=huge", "usage=fractional"} {
			for _, stream := range []bool{false, true} {
				if stream && p.neverStreams {
					continue
				}
				got := d.do(d.ask(t.Context(), p, "one two three [[output=5 "+directives+"]]", 20, stream))
				entry := d.entry(got.header.Get(call.CallIDHeader))
				if got.status != http.StatusOK || entry.Outcome != ledgerv1.ChargedHold || entry.Cost != entry.Held || entry.Held == 0 {
					t.Errorf("%s %s stream=%t: %d, ledger %+v", p.name, directives, stream, got.status, entry)
				}
			}
		}
	}
}

// TestRefusalsOfProtocols: an error of ours has the shape of the protocol.
func TestRefusalsOfProtocols(t *testing.T) {
	d := newProtocolsDoor(t, nil)
	for name, tc := range map[string]struct{ method, path, body, key, want string }{
		"Anthropic's": {
			"POST", "/v1/messages", `{"model":"none","max_tokens":1,"messages":[]}`, "key",
			`{"error":{"type":"not_found_error","message":"There is no model \"none\"; GET /v1/models lists the available models. To allow models that are not listed, set unknownModel: PriceAsMostExpensive in the TenantBudget.","code":"model_not_found"},"type":"error","title":"Model not found","status":404,`,
		},
		"Anthropic's, beside its path": {
			"POST", "/v1/messages/batches", `{}`, "key",
			`{"error":{"type":"not_found_error","message":"There is no endpoint at /v1/messages/batches.","code":"unknown_url"},"type":"error",`,
		},
		"Anthropic's, for a wrong key": {
			"POST", "/v1/messages", `{}`, "guess",
			`{"error":{"type":"authentication_error","message":"The API key is unknown.","code":"invalid_api_key"},"type":"error",`,
		},
		"Gemini's": {
			"POST", "/v1beta/models/none:generateContent", `{"contents":[]}`, "key",
			`{"error":{"code":404,"message":"There is no model \"none\"; GET /v1/models lists the available models. To allow models that are not listed, set unknownModel: PriceAsMostExpensive in the TenantBudget.","status":"NOT_FOUND","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"MODEL_NOT_FOUND","domain":"bursar.dev"}]},"type":"urn:bursar:problem:model-not-found",`,
		},
		"Gemini's, for another method": {
			"POST", "/v1beta/models/gemini-2.5-flash:batchGenerateContent", `{}`, "key",
			`{"error":{"code":404,"message":"There is no endpoint at /v1beta/models/gemini-2.5-flash:batchGenerateContent.","status":"NOT_FOUND",`,
		},
		"Gemini's, for a stream that is an array": {
			"POST", "/v1beta/models/gemini-2.5-flash:streamGenerateContent", `{"contents":[]}`, "key",
			`{"error":{"code":400,"message":"alt is not supported: use \"?alt=sse\" for a stream.","status":"INVALID_ARGUMENT",`,
		},
		"Azure's": {
			"POST", "/openai/deployments/gpt-4o-mini/chat/completions", `{"messages":[]}`, "key",
			`{"error":{"message":"api-version must be in the query exactly once, such as \"2024-10-21\".","type":"invalid_request_error","param":"api-version","code":"invalid_request"},`,
		},
		"Vercel's, of a model": {
			"POST", "/v4/ai/language-model", `{"prompt":[]}`, "key",
			`{"error":{"message":"ai-language-model-specification-version must be in the header once.","type":"invalid_request_error","param":"ai-language-model-specification-version","code":"invalid_request"},"type":"error","title":`,
		},
		"Vercel's, of an account": {
			"GET", "/v1/credits", "", "key",
			`{"error":{"message":"There is no endpoint at /v1/credits.","type":"not_found","param":null,"code":"unknown_url"},"type":"error",`,
		},
		"of another protocol's model": {
			"POST", "/v1/chat/completions", `{"model":"claude-sonnet-4-5","messages":[]}`, "key",
			`{"error":{"message":"There is no model \"claude-sonnet-4-5\";`,
		},
		"of a response that was stored": {
			"GET", "/v1/responses/resp_1", "", "key", `{"error":{"message":"There is no endpoint at /v1/responses/resp_1.","type":"invalid_request_error"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			request := d.request(tc.method, tc.path, tc.body)
			request.Header.Set("Authorization", "Bearer "+tc.key)
			if got := d.do(request); !strings.HasPrefix(got.body, tc.want) {
				t.Errorf("got\n%s\nwant\n%s", got.body, tc.want)
			}
		})
	}
}

// TestRatesOfAnthropic: how the rate limits stand, in Anthropic's fields.
func TestRatesOfAnthropic(t *testing.T) {
	fake := fakeprovider.New(fakeprovider.Options{})
	d := newProtocolsDoor(t, fake.ServeHTTP)
	got := d.do(d.ask(t.Context(), protocols[4], "hi", 20, false))
	if n := got.header.Get("Anthropic-Ratelimit-Requests-Limit"); n != "20" {
		t.Errorf("limit %q of requests in %v", n, got.header)
	}
	if reset, err := time.Parse(time.RFC3339, got.header.Get("Anthropic-Ratelimit-Tokens-Reset")); err != nil || time.Until(reset) > time.Minute {
		t.Errorf("tokens reset at %v, %v", reset, err)
	}
	if got.header.Get("X-Ratelimit-Limit-Requests") != "" {
		t.Error("OpenAI's fields, too")
	}
}

// transcript is a stream as the fake gave it, frame by frame, and what it billed.
type transcript struct {
	protocol   api
	directives string
	frames     []string
	billed     money.Nanos
	// writes are where in the stream the fake has written, and what it had billed then.
	writes []billedWrite
}

type billedWrite struct {
	at     int
	billed money.Nanos
}

// billedFor is what the fake had billed when it had sent so many frames.
func (s transcript) billedFor(frames int) (billed money.Nanos) {
	length := len(strings.Join(s.frames[:frames], ""))
	for i, w := range s.writes {
		if i == 0 || w.at < length {
			billed = w.billed
		}
	}
	return billed
}

// replay answers every call with a transcript, up to a number of frames, after which
// the connection breaks.
type replay struct {
	mu     sync.Mutex
	frames []string
	broken bool
	// step, if set, is waited for before each frame but the first.
	step chan struct{}
}

func (r *replay) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	_, _ = io.Copy(io.Discard, request.Body)
	r.mu.Lock()
	frames, broken, step := r.frames, r.broken, r.step
	r.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	_ = http.NewResponseController(w).Flush()
	for i, frame := range frames {
		if step != nil && i > 0 {
			<-step
		}
		_, _ = io.WriteString(w, frame)
		_ = http.NewResponseController(w).Flush()
	}
	if broken {
		panic(http.ErrAbortHandler)
	}
}

func (r *replay) set(frames []string, broken bool, step chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frames, r.broken, r.step = frames, broken, step
}

// record records transcripts of every protocol that streams.
func record(t *testing.T) (all []transcript) {
	t.Helper()
	fake := fakeprovider.New(fakeprovider.Options{})
	var recorded *teeWriter
	d := newProtocolsDoor(t, func(w http.ResponseWriter, r *http.Request) {
		recorded = &teeWriter{ResponseWriter: w, bill: func() money.Nanos {
			calls := fake.Bill().Calls
			return money.Nanos(calls[len(calls)-1].CostNanos)
		}}
		fake.ServeHTTP(recorded, r)
	})
	for _, p := range protocols {
		if p.neverStreams {
			continue
		}
		for _, directives := range append([]string{"", "cached=2", "crlf", "comments", "duplicate"}, p.more...) {
			got := d.do(d.ask(t.Context(), p, "one two three [[output=3 "+directives+"]]", 20, true))
			d.entry(got.header.Get(call.CallIDHeader))
			newline := "\n\n"
			if strings.Contains(directives, "crlf") {
				newline = "\r\n\r\n"
			}
			frames := strings.SplitAfter(strings.TrimSuffix(recorded.String(), newline), newline)
			frames[len(frames)-1] += newline
			all = append(all, transcript{p, directives, frames, money.Nanos(billOf(t, fake, got).CostNanos), recorded.writes})
		}
	}
	return all
}

// teeWriter keeps what is written, and what was billed then.
type teeWriter struct {
	http.ResponseWriter
	bytes.Buffer
	bill   func() money.Nanos
	writes []billedWrite
}

func (w *teeWriter) Write(b []byte) (int, error) {
	w.writes = append(w.writes, billedWrite{w.Len(), w.bill()})
	w.Buffer.Write(b)
	return w.ResponseWriter.Write(b)
}

func (w *teeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// TestDisconnectAtEveryFrame: wherever the provider or the client goes, the call costs
// no less than what was billed until then, and no more than its hold. The hold is charged
// where nothing was seen, or the model may have thought what it has not shown.
func TestDisconnectAtEveryFrame(t *testing.T) {
	transcripts := record(t)
	upstream := &replay{}
	d := newProtocolsDoor(t, upstream.ServeHTTP)
	calls, zero := 0, 0
	ends := map[ledgerv1.Outcome]int{}
	costs := map[string]*tally{}
	check := func(script transcript, frames int, who, callID string) {
		entry, billed := d.entry(callID), script.billedFor(frames)
		calls++
		ends[entry.Outcome]++
		if entry.Cost == 0 {
			zero++
		}
		if entry.Outcome == ledgerv1.ChargedSeen {
			tallyOf(costs, script.protocol.name).add(entry.Cost, billed)
		}
		right := map[ledgerv1.Outcome]bool{
			ledgerv1.Settled:     entry.Cost == script.billed,
			ledgerv1.ChargedSeen: entry.Cost >= billed && entry.Cost < entry.Held && frames > 0,
			ledgerv1.ChargedHold: entry.Cost == entry.Held && entry.Held >= script.billed,
		}
		if !right[entry.Outcome] {
			t.Errorf("%s %q, %s gone after %d of %d frames: %s of %s, held %s, billed %s of %s",
				script.protocol.name, script.directives, who, frames, len(script.frames), entry.Outcome, entry.Cost, entry.Held, billed, script.billed)
		}
	}
	for _, script := range transcripts {
		for frames := range len(script.frames) + 1 {
			upstream.set(script.frames[:frames], true, nil)
			got := d.do(d.ask(t.Context(), script.protocol, "one two three", 20, true))
			check(script, frames, "provider", got.header.Get(call.CallIDHeader))
			if frames == 0 && got.err == nil && !strings.Contains(got.body, `"error"`) {
				t.Errorf("%s: the client sees no error in %q", script.protocol.name, got.body)
			}
		}
		for frames := 1; frames < len(script.frames); frames++ {
			check(script, frames, "client", d.leaveAfter(upstream, script, frames))
		}
	}
	t.Logf("%d transcripts, %d disconnects: %v, %d of no cost", len(transcripts), calls, ends, zero)
	for name, sum := range costs {
		t.Logf("%s: %s", name, sum)
	}
	if zero > 0 || len(transcripts) < 40 {
		t.Errorf("%d calls of %d transcripts cost nothing", zero, len(transcripts))
	}
}

// leaveAfter makes a call whose client hangs up when so many frames have come, before there
// are more.
func (d *door) leaveAfter(upstream *replay, script transcript, frames int) (callID string) {
	d.t.Helper()
	step := make(chan struct{}, len(script.frames))
	upstream.set(script.frames, false, step)
	for range frames - 1 {
		step <- struct{}{}
	}
	ctx, hangUp := context.WithCancel(d.t.Context())
	defer hangUp()
	response, err := http.DefaultClient.Do(d.ask(ctx, script.protocol, "one two three", 20, true))
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	seen := len(strings.Join(script.frames[:frames], ""))
	if strings.HasPrefix(script.protocol.name, "Chat Completions") { // of which some is left out
		seen = 1
	}
	_, _ = io.ReadAtLeast(response.Body, make([]byte, 1<<20), seen)
	hangUp()
	close(step)
	return response.Header.Get(call.CallIDHeader)
}

// tally is what calls were charged, and billed.
type tally struct{ charged, billed money.Nanos }

func tallyOf(tallies map[string]*tally, name string) *tally {
	if tallies[name] == nil {
		tallies[name] = &tally{}
	}
	return tallies[name]
}

func (s *tally) add(charged, billed money.Nanos) {
	s.charged, s.billed = s.charged+charged, s.billed+billed
}

func (s *tally) ratio() float64 { return float64(s.charged) / float64(s.billed) }

func (s *tally) String() string {
	return fmt.Sprintf("charged %s for a bill of %s, %.3f times as much", s.charged, s.billed, s.ratio())
}

// TestBillAgainstHold: of random calls, none costs the provider's customer more than
// was held for it, except where the provider went beyond the bound, which is posted
// as overrun. BURSAR_CALLS says how many.
func TestBillAgainstHold(t *testing.T) {
	calls, err := strconv.Atoi(cmp.Or(os.Getenv("BURSAR_CALLS"), "1000"))
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	fake := fakeprovider.New(fakeprovider.Options{})
	d := newProtocolsDoor(t, fake.ServeHTTP)
	const workers = 4
	var all sync.WaitGroup
	var beyond sync.Map // the calls in which the provider goes beyond the bound
	for w := range workers {
		random := rand.New(rand.NewPCG(seed, uint64(w)))
		all.Go(func() {
			for range calls / workers {
				p := protocols[random.IntN(len(protocols))]
				prompt := randomPrompt(random, p)
				got := d.do(d.ask(t.Context(), p, prompt, 1+random.IntN(60), !p.neverStreams && random.IntN(2) == 0))
				if strings.Contains(prompt, "overrun") {
					beyond.Store(got.header.Get(call.CallIDHeader), true)
				}
				if got.status != http.StatusOK || got.err != nil {
					t.Errorf("%s: %d %s %v", p.name, got.status, got.body, got.err)
				}
			}
		})
	}
	all.Wait()
	testkit.Eventually(t, "all calls are settled", func() bool { return len(d.ledger.all()) == calls/workers*workers })
	billed := map[string]fakeprovider.BilledCall{}
	for _, call := range fake.Bill().Calls {
		billed[call.ID] = call
	}
	overruns := 0
	for _, entry := range d.ledger.all() {
		call := billed[entry.CallID]
		cost := money.Nanos(call.CostNanos)
		if entry.Outcome != ledgerv1.Settled || entry.Cost != cost || entry.Overrun() != max(0, cost-entry.Held) {
			t.Errorf("ledger %+v, bill %+v", entry, call)
		}
		if entry.Overrun() > 0 {
			overruns++
			if _, ok := beyond.Load(entry.CallID); !ok {
				t.Errorf("within its bounds, a call cost more than its hold: ledger %+v, bill %+v", entry, call)
			}
		}
	}
	t.Logf("%d calls, %d of them overruns, %d not on the bill", len(d.ledger.all()), overruns, len(d.ledger.all())-len(billed))
}

// randomPrompt is a text of any alphabet, with what the fake is to make of it.
func randomPrompt(random *rand.Rand, p api) string {
	var text strings.Builder
	alphabets := []string{"abc def ", "ñandú 你好 ", "🙂🙃 ", "\"\\\n\t ", "\x01\x7f "}
	for range random.IntN(40) {
		text.WriteString(alphabets[random.IntN(len(alphabets))])
	}
	n := 1 + random.IntN(1+len(text.String()))
	fmt.Fprintf(&text, "[[output=%d input=%d cached=%d", 1+random.IntN(60), n, random.IntN(1+n))
	if len(p.more) > 0 && random.IntN(2) == 0 {
		text.WriteString(" " + p.more[random.IntN(len(p.more))])
	}
	if random.IntN(20) == 0 && !p.neverStreams {
		fmt.Fprintf(&text, " overrun=%d", 100+random.IntN(2000))
	}
	if random.IntN(4) == 0 {
		fmt.Fprintf(&text, " split=%d crlf", 1+random.IntN(20))
	}
	return text.String() + "]]"
}

// TestLargeAnswers: an answer of any size passes whole, and its usage is read without
// keeping it.
func TestLargeAnswers(t *testing.T) {
	const size = 100 << 20
	fake := fakeprovider.New(fakeprovider.Options{})
	d := newProtocolsDoor(t, fake.ServeHTTP)
	for _, stream := range []bool{false, true} {
		for _, p := range map[bool][]api{false: {protocols[0]}, true: {protocols[0], protocols[4]}}[stream] {
			response, err := http.DefaultClient.Do(d.ask(t.Context(), p, fmt.Sprintf("[[output=20 size=%d]]", size), 20, stream))
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			entry := d.entry(response.Header.Get(call.CallIDHeader))
			if n < size || err != nil || entry.Outcome != ledgerv1.Settled || entry.Cost != money.Nanos(billOf(t, fake, reply{header: response.Header}).CostNanos) {
				t.Errorf("%s stream=%t: %d bytes, %v, ledger %+v", p.name, stream, n, err, entry)
			}
		}
	}
}
