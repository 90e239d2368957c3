package protocol_test

import (
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// requests is a request to each endpoint, by its path.
var requests = map[string]string{
	"/v1/chat/completions":                         `{"model":"m","service_tier":"flex","stream":true,"messages":[{"role":"user","content":"hello"}]}`,
	"/v1/responses":                                `{"model":"m","service_tier":"flex","stream":true,"input":"hello"}`,
	"/v1/responses/compact":                        `{"model":"m","service_tier":"flex","input":"hello"}`,
	"/v1/responses/input_tokens":                   `{"model":"m","input":"hello"}`,
	"/v1/moderations":                              `{"model":"m","input":"hello"}`,
	"/v1/messages/count_tokens":                    `{"model":"m","messages":[{"role":"user","content":"hello"}]}`,
	"/v1beta/models/{model}:countTokens":           `{"generateContentRequest":{"model":"models/m","contents":[{"parts":[{"text":"hello"}]}]}}`,
	"/v1/embeddings":                               `{"model":"m","input":["hello"]}`,
	"/v1/messages":                                 `{"model":"m","service_tier":"auto","stream":true,"max_tokens":5,"messages":[{"role":"user","content":"hello"}]}`,
	"/openai/deployments/{model}/chat/completions": `{"messages":[{"role":"user","content":"hello"}]}`,
	"/openai/deployments/{model}/embeddings":       `{"input":"hello"}`,
	"/v1beta/models/{model}:generateContent":       `{"contents":[{"parts":[{"text":"hello"}]}]}`,
	"/v1beta/models/{model}:streamGenerateContent": `{"contents":[{"parts":[{"text":"hello"}]}]}`,
	"/v1/ai/language-model":                        vercelHello,
	"/v3/ai/language-model":                        vercelHello,
	"/v4/ai/language-model":                        vercelHello,
	"/v1/ai/embedding-model":                       `{"input":"hello"}`,
	"/v3/ai/embedding-model":                       `{"values":["hello"]}`,
	"/v4/ai/embedding-model":                       `{"values":["hello"]}`,
}

const vercelHello = `{"prompt":[{"role":"user","content":[{"type":"text","text":"hello"}]}],"providerOptions":{"openai":{"serviceTier":"flex"}}}`

// headers are their headers, where they need one.
var headers = map[string]protocol.Header{
	"/v1/ai/language-model": vercelHeader("2", "m"), "/v1/ai/embedding-model": vercelHeader("2", "m"),
	"/v3/ai/language-model": vercelHeader("3", "m"), "/v3/ai/embedding-model": vercelHeader("3", "m"),
	"/v4/ai/language-model": vercelHeader("4", "m"), "/v4/ai/embedding-model": vercelHeader("4", "m"),
}

// queries are their queries, where they need one.
var queries = map[string]url.Values{
	"/openai/deployments/{model}/chat/completions": {"api-version": {"2024-10-21"}},
	"/openai/deployments/{model}/embeddings":       {"api-version": {"2024-10-21"}},
	"/v1beta/models/{model}:streamGenerateContent": {"alt": {"sse"}},
}

// TestAnswersHoldNoRequest: while an answer passes by, which may take minutes, the request's
// body takes no memory.
func TestAnswersHoldNoRequest(t *testing.T) {
	for _, p := range protocol.Protocols() {
		for _, endpoint := range p.Endpoints() {
			t.Run(endpoint.Path(), func(t *testing.T) {
				text, ok := requests[endpoint.Path()]
				if !ok {
					t.Fatal("there is no request to this endpoint in this test: add one")
				}
				body, answers := answersTo(t, endpoint, text)
				for tries := 0; body.Value() != nil; tries++ {
					if tries == 100 {
						t.Fatal("the body is held by the reader of its answer")
					}
					runtime.GC()
					time.Sleep(time.Millisecond)
				}
				runtime.KeepAlive(answers)
			})
		}
	}
}

// answersTo are readers of the answers to a request, and its body.
func answersTo(t *testing.T, endpoint protocol.Endpoint, text string) (weak.Pointer[byte], []protocol.Answer) {
	t.Helper()
	body := []byte(text + strings.Repeat(" ", 1<<10))
	request, err := endpoint.Read(protocol.Incoming{Model: "m", Query: queries[endpoint.Path()], Header: headers[endpoint.Path()], Body: body})
	if err != nil {
		t.Fatal(err)
	}
	prices := price.List{price.Input: money.USD, price.Output: money.USD}
	model := limiterv1.Model{
		Name: "m", UpstreamName: "m", MaxOutputTokens: 10, ContextWindow: 1000,
		Prices: price.Book{price.Default: {Base: prices}, "flex": {Base: prices}},
	}
	call, err := request.For(model, protocol.OutputLimits{})
	if err != nil {
		t.Fatal(err)
	}
	return weak.Make(&body[0]), []protocol.Answer{call.Whole(), call.Stream()}
}

// TestTooManyValues: a request with too many values is not read to its end, whatever they are: that it is
// cut off there is not found.
func TestTooManyValues(t *testing.T) {
	const size = 31 << 20
	for name, tc := range map[string]struct{ before, unit string }{
		"members":        {`{"model":"m","messages":[],`, `"a":1,`},
		"escaped":        {`{"model":"m","messages":[],`, `"\u0061":1,`},
		"messages":       {`{"model":"m","messages":[`, `{"role":"user","content":"x"},`},
		"empty messages": {`{"model":"m","messages":[`, `{},`},
		"tokens":         {`{"model":"m","messages":[],"input":[`, `1,`},
		"empty arrays":   {`{"model":"m","messages":[],"a":[`, `[],`},
	} {
		t.Run(name, func(t *testing.T) {
			body := []byte(tc.before + strings.Repeat(tc.unit, size/len(tc.unit)))
			_, err := protocol.ChatCompletions{}.Read(protocol.Incoming{Body: body})
			if err == nil || !strings.Contains(err.Error(), "has more than 400000 values") {
				t.Errorf("got %v", err)
			}
		})
	}
}
