package fakeprovider_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/bursar-dev/bursar/hack/fakeprovider"
)

// apis are the APIs beside Chat Completions, each with a prompt in its request.
var apis = map[string]struct {
	path, stream string
	body         func(prompt string, stream bool) map[string]any
	// usage is where the usage is in the whole answer, frame which frame of a stream
	// has it, and where.
	usage, frame, inStream string
	// wantUsage is what the usage says of 20 tokens of input and 5 of output.
	wantUsage string
	wantNanos int64
}{
	"Responses": {
		path: "/v1/responses",
		body: func(prompt string, stream bool) map[string]any {
			return map[string]any{"model": "gpt-4o", "input": prompt, "stream": stream, "max_output_tokens": 100}
		},
		usage: "usage", frame: "response.completed", inStream: "response.usage",
		wantUsage: `{"input_tokens":20,"input_tokens_details":{"cache_write_tokens":0,"cached_tokens":4},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":25}`,
		wantNanos: 16*2500 + 4*1250 + 5*10_000,
	},
	"Azure": {
		path: "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
		body: func(prompt string, stream bool) map[string]any {
			return map[string]any{
				"messages": []any{map[string]any{"role": "user", "content": prompt}}, "stream": stream,
				"stream_options": map[string]any{"include_usage": true},
			}
		},
		usage: "usage", frame: `"choices":[]`, inStream: "usage",
		wantUsage: `{"completion_tokens":5,"completion_tokens_details":{"accepted_prediction_tokens":0,"audio_tokens":0,"reasoning_tokens":2,"rejected_prediction_tokens":0},"prompt_tokens":20,"prompt_tokens_details":{"audio_tokens":0,"cache_write_tokens":0,"cached_tokens":4},"total_tokens":25}`,
		wantNanos: 16*2500 + 4*1250 + 5*10_000,
	},
	"Messages": {
		path: "/v1/messages",
		body: func(prompt string, stream bool) map[string]any {
			return map[string]any{
				"model": "claude-sonnet-4-5", "max_tokens": 100, "stream": stream,
				"messages": []any{map[string]any{"role": "user", "content": []any{map[string]any{"type": "text", "text": prompt}}}},
			}
		},
		usage: "usage", frame: `"message_start"`, inStream: "message.usage",
		wantUsage: `{"cache_creation":{"ephemeral_1h_input_tokens":2,"ephemeral_5m_input_tokens":1},"cache_creation_input_tokens":3,"cache_read_input_tokens":4,"inference_geo":"not_available","input_tokens":13,"output_tokens":5,"service_tier":"standard","speed":"standard"}`,
		wantNanos: 13*3000 + 4*300 + 1*3750 + 2*6000 + 5*15_000,
	},
	"Gemini": {
		path: "/v1beta/models/gemini-2.5-flash:generateContent", stream: "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
		body: func(prompt string, _ bool) map[string]any {
			return map[string]any{"contents": []any{map[string]any{"role": "user", "parts": []any{map[string]any{"text": prompt}}}}}
		},
		usage: "usageMetadata", frame: `"finishReason"`, inStream: "usageMetadata",
		wantUsage: `{"cachedContentTokenCount":4,"candidatesTokenCount":3,"promptTokenCount":20,"thoughtsTokenCount":2,"totalTokenCount":25}`,
		wantNanos: 16*300 + 4*30 + 5*2500,
	},
}

// TestAPIs: each API reports, whole and streamed, what its bill says.
func TestAPIs(t *testing.T) {
	for name, tc := range apis {
		for _, stream := range []bool{false, true} {
			t.Run(name+map[bool]string{false: " whole", true: " streamed"}[stream], func(t *testing.T) {
				server := start(t, fakeprovider.Options{Key: "secret"})
				path, prompt := tc.path, "one two three four five six seven [[input=20 output=3 thoughts=2 cached=4]]"
				if stream && tc.stream != "" {
					path = tc.stream
				}
				if name == "Messages" {
					prompt = strings.Replace(prompt, "cached=4", "cached=4 write=1 write1h=2", 1)
				}
				raw, err := json.Marshal(tc.body(prompt, stream))
				if err != nil {
					t.Fatal(err)
				}
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, bytes.NewReader(raw))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("X-Api-Key", "secret")
				r.Header.Set("Anthropic-Version", "2023-06-01")
				response, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = response.Body.Close() }()
				answer, err := io.ReadAll(response.Body)
				if err != nil || response.StatusCode != http.StatusOK {
					t.Fatalf("%d %v: %s", response.StatusCode, err, answer)
				}
				usage := gjson.GetBytes(answer, tc.usage).Raw
				if stream {
					usage = ""
					for line := range strings.SplitSeq(string(answer), "\n") {
						if data, ok := strings.CutPrefix(line, "data: "); ok && strings.Contains(data, tc.frame) {
							usage = gjson.Get(data, tc.inStream).Raw
						}
					}
				}
				want := tc.wantUsage
				if stream && name == "Messages" { // the output comes at the end
					want = strings.Replace(want, `"output_tokens":5`, `"output_tokens":1`, 1)
					if !strings.Contains(string(answer), `"usage":{"output_tokens":5}`) {
						t.Errorf("the end does not tell of the output:\n%s", answer)
					}
				}
				if usage != want {
					t.Errorf("usage\n got %s\nwant %s\nin %s", usage, want, answer)
				}
				call := onlyCall(t, server)
				if call.CostNanos != tc.wantNanos || call.InputTokens != 20 || call.OutputTokens != 5 || !call.Complete {
					t.Errorf("billed %+v, want %d", call, tc.wantNanos)
				}
			})
		}
	}
}

// TestEmbeddings: text and tokens are input, and there is no output.
func TestEmbeddings(t *testing.T) {
	for input, want := range map[string]int64{
		`"one two three"`: 3 * 20, `["one two","three"]`: 3 * 20, `[1,2,3,4]`: 4 * 20, `[[1,2],[3]]`: 3 * 20,
	} {
		server := start(t, fakeprovider.Options{})
		response, err := http.Post(server.URL+"/v1/embeddings", "application/json",
			strings.NewReader(`{"model":"text-embedding-3-small","input":`+input+`}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if call := onlyCall(t, server); call.CostNanos != want || call.OutputTokens != 0 {
			t.Errorf("%s: billed %+v, want %d", input, call, want)
		}
	}
}
