package protocol_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

func message(t *testing.T, body string) protocol.Plain {
	t.Helper()
	answer, ok := read(t, body).Message(protocol.Text{ID: "1", At: time.Unix(1_800_000_000, 0), Content: "The \"budget\" is\nused up: ¡adiós!"})
	if !ok {
		t.Fatal("a chat has no message")
	}
	return answer
}

func TestMessage(t *testing.T) {
	const says = `"role":"assistant","content":"The \"budget\" is\nused up: ¡adiós!"`
	const head = `{"id":"chatcmpl-1","object":"chat.completion","created":1800000000,"model":"mini","choices":[`
	const chunkHead = `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1800000000,"model":"mini","choices":[`
	const nothing = `"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}`
	for name, tc := range map[string]struct{ body, wantType, want string }{
		"whole": {
			`{"model":"mini","messages":[]}`, "application/json",
			head + `{"index":0,"message":{` + says + `},"logprobs":null,"finish_reason":"stop"}],` + nothing,
		},
		"in as many choices as are asked for": {
			`{"model":"mini","messages":[],"n":2}`, "application/json",
			head + `{"index":0,"message":{` + says + `},"logprobs":null,"finish_reason":"stop"},` +
				`{"index":1,"message":{` + says + `},"logprobs":null,"finish_reason":"stop"}],` + nothing,
		},
		"streamed": {
			`{"model":"mini","messages":[],"stream":true}`, "text/event-stream; charset=utf-8",
			chunkHead + `{"index":0,"delta":{` + says + `},"logprobs":null,"finish_reason":null}]}` + "\n\n" +
				chunkHead + `{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}` + "\n\n" +
				"data: [DONE]\n\n",
		},
		"streamed, with the usage that was asked for": {
			`{"model":"mini","messages":[],"stream":true,"stream_options":{"include_usage":true}}`, "text/event-stream; charset=utf-8",
			chunkHead + `{"index":0,"delta":{` + says + `},"logprobs":null,"finish_reason":null}]}` + "\n\n" +
				chunkHead + `{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}` + "\n\n" +
				chunkHead + `],` + nothing + "\n\n" +
				"data: [DONE]\n\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := message(t, tc.body)
			if got.ContentType != tc.wantType || string(got.Body) != tc.want {
				t.Errorf("\n got %s\n%s\nwant %s\n%s", got.ContentType, got.Body, tc.wantType, tc.want)
			}
		})
	}
}

// TestMessageReadsLikeAnAnswer: what reads the answers of providers finds in it an
// answer that has an end and used nothing.
func TestMessageReadsLikeAnAnswer(t *testing.T) {
	for _, body := range []string{
		`{"model":"mini","messages":[]}`,
		`{"model":"mini","messages":[],"stream":true,"stream_options":{"include_usage":true}}`,
	} {
		call, err := read(t, body).For(mini, protocol.OutputLimits{})
		if err != nil {
			t.Fatal(err)
		}
		answer := call.Whole()
		if strings.Contains(body, "stream") {
			answer = call.Stream()
		}
		answer.Pass(message(t, body).Body)
		answer.End(false)
		if usage, _ := answer.Usage(); answer.Unfinished() || usage != (price.Usage{}) || !saysNothingWasUsed(message(t, body).Body) {
			t.Errorf("%s: unfinished %t, usage %+v; want a whole answer that says that it used nothing", body, answer.Unfinished(), usage)
		}
	}
}
