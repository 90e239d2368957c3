package protocol_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// streamsThatEnd are streams of each protocol except for their first event: a piece of output, which
// is %, and the end, with the usage.
var streamsThatEnd = map[string]struct {
	endpoint   protocol.Endpoint
	body       string
	piece, end string
}{
	"Chat Completions": {
		protocol.ChatCompletions{}, chatStreamBody,
		`data: {"choices":[{"index":0,"delta":{"x":%}}]}` + "\n\n",
		`data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n" + `data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":20}}` + "\n\ndata: [DONE]\n\n",
	},
	"Messages": {
		protocol.Messages{}, `{"model":"maxi","max_tokens":7,"messages":[],"stream":true}`,
		`data: {"type":"message_start","message":{"usage":{"input_tokens":10}}}` + "\n\n" + `data: {"type":"content_block_delta","delta":{"content":%}}` + "\n\n",
		`data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":20}}` + "\n\n" + `data: {"type":"message_stop"}` + "\n\n",
	},
	"Gemini": {
		protocol.GenerateContent{Streamed: true}, `{"contents":[]}`,
		`data: {"candidates":[{"content":%}]}` + "\n\n",
		`data: {"candidates":[{"content":{"parts":[{"text":"ok"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":20,"totalTokenCount":30}}` + "\n\n",
	},
	"Responses": {
		protocol.Responses{}, `{"model":"maxi","input":"x","stream":true}`,
		`data: {"type":"response.output_item.done","item":{"type":"message","content":%}}` + "\n\n",
		`data: {"type":"response.completed","response":{"usage":{"input_tokens":10,"output_tokens":20}}}` + "\n\n",
	},
}

// TestDeepEvents: an event that nests very deep takes no more time than its length, which would
// otherwise be hours. What comes after it is read, and if nothing does, it counts by its length.
func TestDeepEvents(t *testing.T) {
	const levels = 1 << 20
	shapes := map[string]string{
		"of arrays":       strings.Repeat("[", levels) + strings.Repeat("]", levels),
		"of objects":      strings.Repeat(`[{"content":`, levels) + "1" + strings.Repeat("}]", levels),
		"that is no JSON": strings.Repeat("]", levels) + `,"delta":` + strings.Repeat("[", levels),
	}
	for name, tc := range streamsThatEnd {
		for shape, nested := range shapes {
			t.Run(name+" "+shape, func(t *testing.T) {
				event := strings.Replace(tc.piece, "%", nested, 1)
				answer := answerOf(t, tc.endpoint, tc.body, true)
				answer.Pass([]byte(event + tc.end))
				answer.End(false)
				if got, ok := answer.Usage(); !ok || got.Total() != 30 || answer.Unfinished() {
					t.Errorf("got %+v, %t, unfinished %t", got, ok, answer.Unfinished())
				}
				cut := answerOf(t, tc.endpoint, tc.body, true)
				cut.Pass([]byte(strings.Replace(tc.piece, "%", `"ok"`, 1) + event))
				cut.End(true)
				if seen, ok := cut.Seen(protocol.Cut{At: time.Now()}); ok && seen.Output < 7 {
					t.Errorf("cut, it counts as %d tokens of output", seen.Output)
				}
			})
		}
	}
}

// TestManyValues: an event may have very many values, as the last one of a response with all
// probabilities of each of its tokens.
func TestManyValues(t *testing.T) {
	tc := streamsThatEnd["Responses"]
	probabilities := strings.Repeat(`{"token":"a","logprob":-0.1,"bytes":[97]},`, 200_000) + "{}"
	last := strings.Replace(tc.end, `"response":{`, `"response":{"output":[{"type":"message","content":[{"type":"output_text","text":"ok","logprobs":[`+probabilities+`]}]}],`, 1)
	answer := answerOf(t, tc.endpoint, tc.body, true)
	answer.Pass([]byte(last))
	answer.End(false)
	if got, ok := answer.Usage(); !ok || got != (price.Usage{Input: 10, Output: 20}) || answer.Unfinished() {
		t.Errorf("got %+v, %t, unfinished %t", got, ok, answer.Unfinished())
	}
}

// TestManyMembers: of a usage that comes in pieces, each with other members, no more is kept than
// any usage has.
func TestManyMembers(t *testing.T) {
	tc := streamsThatEnd["Messages"]
	begin := strings.Replace(tc.piece, "%", `"ok"`, 1)
	for members, want := range map[int]bool{100: true, 1000: false} {
		answer := answerOf(t, tc.endpoint, tc.body, true)
		answer.Pass([]byte(begin))
		for i := range members {
			answer.Pass(fmt.Appendf(nil, `data: {"type":"message_delta","delta":{},"usage":{"of_kind_%d":0}}`+"\n\n", i))
		}
		answer.Pass([]byte(tc.end))
		answer.End(false)
		if got, ok := answer.Usage(); ok != want || want && got.Total() != 30 {
			t.Errorf("with %d members: %+v, %t", members, got, ok)
		}
	}
}
