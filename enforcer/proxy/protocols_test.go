package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/hack/fakeprovider"
)

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
			`{"error":{"type":"not_found_error","message":"Bursar serves no endpoint at /v1/messages/batches: check the client's base URL, or call another endpoint.","code":"unknown_url"},"type":"error",`,
		},
		"Anthropic's, for a wrong key": {
			"POST", "/v1/messages", `{}`, "guess",
			`{"error":{"type":"authentication_error","message":"The API key is unknown: send a key of Bursar's, not the provider's.","code":"invalid_api_key"},"type":"error",`,
		},
		"Gemini's": {
			"POST", "/v1beta/models/none:generateContent", `{"contents":[]}`, "key",
			`{"error":{"code":404,"message":"There is no model \"none\"; GET /v1/models lists the available models. To allow models that are not listed, set unknownModel: PriceAsMostExpensive in the TenantBudget.","status":"NOT_FOUND","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"MODEL_NOT_FOUND","domain":"bursar.dev"}]},"type":"urn:bursar:problem:model-not-found",`,
		},
		"Gemini's, for another method": {
			"POST", "/v1beta/models/gemini-2.5-flash:batchGenerateContent", `{}`, "key",
			`{"error":{"code":404,"message":"Bursar serves no endpoint at /v1beta/models/gemini-2.5-flash:batchGenerateContent: check the client's base URL, or call another endpoint.","status":"NOT_FOUND",`,
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
			`{"error":{"message":"Bursar serves no endpoint at /v1/credits: check the client's base URL, or call another endpoint.","type":"not_found","param":null,"code":"unknown_url"},"type":"error",`,
		},
		"of another protocol's model": {
			"POST", "/v1/chat/completions", `{"model":"claude-sonnet-4-5","messages":[]}`, "key",
			`{"error":{"message":"There is no model \"claude-sonnet-4-5\";`,
		},
		"of a response that was stored": {
			"GET", "/v1/responses/resp_1", "", "key", `{"error":{"message":"Bursar serves no endpoint at /v1/responses/resp_1: check the client's base URL, or call another endpoint.","type":"invalid_request_error"`,
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
	got := d.do(d.ask(t.Context(), apiNamed("Messages"), "hi", 20, false))
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

// TestLargeAnswers: an answer of any size passes whole, and its usage is read without
// keeping it.
func TestLargeAnswers(t *testing.T) {
	t.Parallel()
	const size = 100 << 20
	fake := fakeprovider.New(fakeprovider.Options{})
	d := newProtocolsDoor(t, fake.ServeHTTP)
	for _, stream := range []bool{false, true} {
		for _, p := range map[bool][]api{false: {apiNamed("Chat Completions")}, true: {apiNamed("Chat Completions"), apiNamed("Messages")}}[stream] {
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
