package protocol_test

import (
	"strings"
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// notBelieved is an answer that is whole and whose usage is not believed.
func notBelieved(answer string) answered { return answered{answer, false, price.Usage{}, false, false} }

// TestUsageBeforeTheEnd: a usage after which more output comes is a running one: what it
// counts is not what the call cost.
func TestUsageBeforeTheEnd(t *testing.T) {
	const (
		says, stops = `{"index":0,"delta":{"content":"ok"},"finish_reason":null}`, `{"index":0,"delta":{},"finish_reason":"stop"}`
		running     = `{"prompt_tokens":20,"completion_tokens":1}`
		end         = "data: [DONE]\n\n"
	)
	chunk := func(members, usage string) string {
		return `data: {"choices":[` + members + `]` + usage + "}\n\n"
	}
	use := `,"usage":` + running
	checkAnswered(t, protocol.ChatCompletions{}, chatStreamBody, true, map[string]answered{
		"in the first chunk":        notBelieved(chunk(says, use) + chunk(says, "") + chunk(stops, "") + end),
		"beside null":               notBelieved(chunk(says, use) + chunk(says, `,"usage":null`) + chunk(stops, "") + end),
		"in a chunk of its own":     notBelieved(chunk("", use) + chunk(says, "") + chunk(stops, "") + end),
		"in one, without an end":    {chunk("", use) + chunk(says, ""), false, price.Usage{}, false, true},
		"beside the last output":    {chunk(says, "") + chunk(says, use) + chunk(stops, "") + end, false, price.Usage{Input: 20, Output: 1}, true, false},
		"before thoughts":           notBelieved(chunk(says, use) + chunk(`{"index":0,"delta":{"thinking":"hm"}}`, "") + chunk(stops, "") + end),
		"of a choice that has gone": notBelieved(chunk(says, "") + chunk(stops, use) + chunk(strings.Replace(says, "0", "3", 1), "") + end),
	})
	const (
		start = `data: {"type":"message_start","message":{"usage":{"input_tokens":10,"output_tokens":1}}}` + "\n\n"
		text  = `data: {"type":"content_block_delta","delta":{"text":"ok"}}` + "\n\n"
		early = `data: {"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":3}}` + "\n\n"
		bare  = `data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}` + "\n\n"
		last  = `data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":20}}` + "\n\n"
		stop  = `data: {"type":"message_stop"}` + "\n\n"
	)
	const body = `{"model":"maxi","max_tokens":7,"messages":[],"stream":true}`
	checkAnswered(t, protocol.Messages{}, body, true, map[string]answered{
		"Messages: a running one":                notBelieved(start + text + early + text + bare + stop),
		"Messages: a running one, then the last": {start + text + early + text + last + stop, false, price.Usage{Input: 10, Output: 20}, true, false},
		"Messages: before a whole block":         notBelieved(start + text + early + `data: {"type":"content_block_start","content_block":{"type":"text","text":"ok"}}` + "\n\n" + bare + stop),
		"Messages: before the call of a tool":    notBelieved(start + early + `data: {"type":"content_block_start","content_block":{"type":"tool_use","name":"f","input":{}}}` + "\n\n" + bare + stop),
		"Messages: text after its reason":        notBelieved(start + text + last + text + stop),
		"Messages: fewer at the end":             notBelieved(start + text + last + strings.Replace(last, "20", "5", 1) + stop),
		"Messages: less input at the end":        notBelieved(start + text + strings.Replace(last, `"output_tokens"`, `"input_tokens":9,"output_tokens"`, 1) + stop),
	})
	const (
		part  = `data: {"candidates":[{"content":{"parts":[{"text":"ok"}]},"index":0}]}` + "\n\n"
		first = `data: {"candidates":[{"content":{"parts":[{"text":"ok"}]},"index":0}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":1,"totalTokenCount":11}}` + "\n\n"
		done  = `data: {"candidates":[{"finishReason":"STOP","index":0}]}` + "\n\n"
	)
	checkAnswered(t, protocol.GenerateContent{Streamed: true}, `{"contents":[]}`, true, map[string]answered{
		"Gemini: in the first chunk":           notBelieved(first + part + done),
		"Gemini: before what code has printed": notBelieved(first + strings.Replace(part, `"text":"ok"`, `"codeExecutionResult":{"output":"ok"}`, 1) + done),
		"Gemini: then one without a total": {first + strings.Replace(strings.Replace(first, `,"totalTokenCount":11`, "", 1), `"candidatesTokenCount":1`, `"candidatesTokenCount":9`, 1) + done,
			false, price.Usage{Input: 10, Output: 9}, true, false},
		"Gemini: before the reason": {first + done, false, price.Usage{Input: 10, Output: 1}, true, false},
	})
	const (
		delta = `data: {"type":"response.output_text.delta","delta":"ok"}` + "\n\n"
		whole = `data: {"type":"response.completed","response":{"usage":{"input_tokens":10,"output_tokens":20}}}` + "\n\n"
		none  = `data: {"type":"response.failed","response":{"status":"failed"}}` + "\n\n"
	)
	checkAnswered(t, protocol.Responses{}, `{"model":"maxi","input":"x","stream":true}`, true, map[string]answered{
		"Responses: fewer in a second end":      notBelieved(delta + whole + strings.Replace(whole, "20", "5", 1)),
		"Responses: before more text":           notBelieved(delta + whole + delta + delta),
		"Responses: an end that has no usage":   notBelieved(none),
		"Responses: the tier at the start only": {`data: {"type":"response.created","response":{"service_tier":"priority"}}` + "\n\n" + delta + whole, false, price.Usage{Input: 10, Output: 20, ServiceTier: "priority"}, true, false},
	})
}

// TestOddlyWritten: what costs money is seen however it is written.
func TestOddlyWritten(t *testing.T) {
	chat := func(usage, more string) string {
		return `{"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":5` + usage + `}` + more + `}`
	}
	checkAnswered(t, protocol.ChatCompletions{}, chatRequestBody, false, map[string]answered{
		"searches in a string":        notBelieved(chat(`,"num_search_queries":"3"`, "")),
		"a word":                      notBelieved(chat(`,"cache_type":"ephemeral"`, "")),
		"a tier that is no text":      notBelieved(chat("", `,"service_tier":{"name":"priority"}`)),
		"a count twice":               notBelieved(chat(`,"prompt_tokens":2000`, "")),
		"a count twice, within":       notBelieved(chat(`,"prompt_tokens_details":{"cached_tokens":1,"cached_tokens":2}`, "")),
		"two costs":                   notBelieved(chat(`,"cost":0.000000001,"estimated_cost":0.5`, "")),
		"one cost twice":              {chat(`,"cost":0.000000001,"estimated_cost":0.000000001`, ""), false, price.Usage{Input: 20, Output: 5}, true, false},
		"no output but pictures":      notBelieved(`{"choices":[{"message":{"content":"","images":[{}]}}],"usage":{"prompt_tokens":20,"completion_tokens":0}}`),
		"no output but thoughts":      notBelieved(`{"choices":[{"message":{"content":"","reasoning_details":[{"text":"x"}]}}],"usage":{"prompt_tokens":20,"completion_tokens":0}}`),
		"a service tier, as it is":    {chat("", `,"service_tier":"priority"`), false, price.Usage{Input: 20, Output: 5, ServiceTier: "priority"}, true, false},
		"a service tier that is null": {chat("", `,"service_tier":null`), false, price.Usage{Input: 20, Output: 5}, true, false},
	})
	const says, last = `data: {"service_tier":"priority","choices":[{"index":0,"delta":{"content":"ok"},"finish_reason":"stop"}]}`, `data: {"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":5}}`
	checkAnswered(t, protocol.ChatCompletions{}, chatStreamBody, true, map[string]answered{
		"the tier in the first chunk only": {says + "\n\n" + last + "\n\ndata: [DONE]\n\n", false, price.Usage{Input: 20, Output: 5, ServiceTier: "priority"}, true, false},
	})
	claude := func(usage string) string {
		return `{"usage":{"input_tokens":10,"output_tokens":20,` + usage + `}}`
	}
	checkAnswered(t, protocol.Messages{}, `{"model":"maxi","max_tokens":7,"messages":[]}`, false, map[string]answered{
		"Messages: a place that is no text":    notBelieved(claude(`"inference_geo":["us"]`)),
		"Messages: a speed that is a number":   notBelieved(claude(`"speed":2`)),
		"Messages: searches in a string":       notBelieved(claude(`"server_tool_use":{"web_search_requests":"2"}`)),
		"Messages: thoughts beyond the output": notBelieved(claude(`"output_tokens_details":{"thinking_tokens":21}`)),
		"Messages: searches of an iteration":   notBelieved(claude(`"iterations":[{"type":"message","input_tokens":10,"output_tokens":20,"server_tool_use":{"web_search_requests":2}}]`)),
		"Messages: the speed of an iteration":  notBelieved(claude(`"iterations":[{"type":"message","input_tokens":10,"output_tokens":20,"speed":"fast"}]`)),
	})
	gemini := func(part string) string {
		return `data: {"candidates":[{"content":{"parts":[` + part + `]},"index":0,"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":10,"totalTokenCount":10}}` + "\n\n"
	}
	checkAnswered(t, protocol.GenerateContent{Streamed: true}, `{"contents":[]}`, true, map[string]answered{
		"Gemini: a function, and no output":   notBelieved(gemini(`{"functionCall":{"name":"f"}}`)),
		"Gemini: a picture, and no output":    notBelieved(gemini(`{"inlineData":{"data":"aaaa"}}`)),
		"Gemini: a program, and no output":    notBelieved(gemini(`{"executableCode": {"code":"1"}}`)),
		"Gemini: a text far behind its name":  notBelieved(gemini(`{"text":             "x"}`)),
		"Gemini: a text that only speaks so":  notBelieved(gemini(`{"text":"\"functionCall\":{}"}`)),
		"Gemini: nothing, and so no output":   {gemini(`{"text":""}`), false, price.Usage{Input: 10}, true, false},
		"Gemini: a signature, and so nothing": {gemini(`{"thoughtSignature":"x"}`), false, price.Usage{Input: 10}, true, false},
	})
}

// TestCutAnswerOfAnotherModel: how long an answer is does not tell what it cost once it has
// named a model that thinks unseen, or has other prices.
func TestCutAnswerOfAnotherModel(t *testing.T) {
	for name, tc := range map[string]struct {
		answer  string
		anyName bool
		want    bool
	}{
		"the model":                 {`{"model":"maxi","choices":[{"mess`, false, false},
		"none yet":                  {`{"choices":[{"mess`, false, false},
		"one without a price":       {`{"model":"maxi-pro","choices":[{"mess`, false, true},
		"one that thinks unseen":    {`{"model":"o3-2025-04-16","choices":[{"mess`, true, true},
		"one by which it is called": {`{"model":"alias","choices":[{"mess`, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			model := maxi
			if tc.anyName {
				model.AnsweredAs = []string{"*"}
			}
			if got := isOpaque(t, protocol.ChatCompletions{}, chatRequestBody, model, tc.answer); got != tc.want {
				t.Errorf("opaque: %t", got)
			}
		})
	}
	for name, tc := range map[string]struct {
		endpoint     protocol.Endpoint
		body, answer string
	}{
		"Responses": {protocol.Responses{}, `{"model":"maxi","input":"hi"}`, `{"model":"maxi-pro","output":[{`},
		"Messages":  {protocol.Messages{}, seenMessages, `{"model":"maxi-pro","content":[{`},
		"Gemini":    {protocol.GenerateContent{}, seenGemini, `{"modelVersion":"maxi-pro","candidates":[{`},
		"Vercel":    {vercel("/v3/ai/language-model"), `{` + vercelHi + `}`, `{"response":{"modelId":"maxi-pro"},"content":[{`},
	} {
		if !isOpaque(t, tc.endpoint, tc.body, maxi, tc.answer) {
			t.Errorf("%s: the model that the answer names is not looked at", name)
		}
	}
}

// isOpaque is whether the part of a whole answer that has come does not tell what it cost.
func isOpaque(t *testing.T, endpoint protocol.Endpoint, body string, model limiterv1.Model, part string) bool {
	t.Helper()
	request, err := endpoint.Read(incoming(body))
	if err != nil {
		t.Fatal(err)
	}
	call, err := request.For(model, protocol.OutputLimits{})
	if err != nil {
		t.Fatal(err)
	}
	answer := call.Whole()
	answer.Pass([]byte(part))
	answer.End(true)
	return answer.(interface{ Opaque() bool }).Opaque()
}
