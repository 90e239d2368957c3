package protocol_test

import (
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// TestUnknownWords: a word, or true, among the numbers of a usage may name a price: that of a
// tier, or of a search. Those that are known to cost nothing are known by their names.
func TestUnknownWords(t *testing.T) {
	chat := func(usage string) string {
		return `{"choices":[{"message":{"content":"ok"}}],"usage":{"prompt_tokens":20,"completion_tokens":5` + usage + `}}`
	}
	plain := price.Usage{Input: 20, Output: 5}
	checkAnswered(t, protocol.ChatCompletions{}, chatRequestBody, false, map[string]answered{
		"a word":                notBelieved(chat(`,"search_context_size":"high"`)),
		"true":                  notBelieved(chat(`,"searched":true`)),
		"words within":          notBelieved(chat(`,"prompt_tokens_details":{"kinds":["video"]}`)),
		"an empty word":         {chat(`,"search_context_size":"","searched":false`), false, plain, true, false},
		"how long things lived": {chat(`,"prompt_tokens_details":{"cache_type":"ephemeral"}`), false, plain, true, false},
		"SambaNova's":           {chat(`,"is_last_response":true,"stop_reason":"stop","total_latency":0.1,"completion_tokens_after_first_per_sec_graph":499.2`), false, plain, true, false},
		"a cost that is true":   notBelieved(chat(`,"cost":true`)),
		"a number as a word":    notBelieved(strings.Replace(chat(``), "20", `"20"`, 1)),
		"an output as a word":   notBelieved(strings.Replace(chat(``), ":5", `:"5"`, 1)),
		"a part as a word":      notBelieved(chat(`,"prompt_tokens_details":{"cached_tokens":"12"}`)),
		"a total as a word":     notBelieved(chat(`,"total_tokens":"25"`)),
		"a usage as a word":     notBelieved(`{"choices":[],"usage":"{}"}`),
	})
	claude := func(usage string) string {
		return `{"usage":{"input_tokens":10,"output_tokens":20,` + usage + `}}`
	}
	checkAnswered(t, protocol.Messages{}, `{"model":"maxi","max_tokens":7,"messages":[]}`, false, map[string]answered{
		"Messages: a word":             notBelieved(claude(`"region":"eu"`)),
		"Messages: searches, as true":  notBelieved(claude(`"server_tool_use":{"web_search_requests":true}`)),
		"Messages: searches, as words": notBelieved(claude(`"server_tool_use":{"web_search_requests":"many"}`)),
		"Messages: a word of a part":   notBelieved(claude(`"iterations":[{"type":"message","input_tokens":10,"output_tokens":20,"service_tier":"priority"}]`)),
		"Messages: a number as a word": notBelieved(claude(`"cache_read_input_tokens":"5"`)),
	})
	gemini := func(usage string) string {
		return `{"candidates":[{"content":{"parts":[{"text":"ok"}]}}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":20` + usage + `}}`
	}
	checkAnswered(t, protocol.GenerateContent{}, `{"contents":[]}`, false, map[string]answered{
		"Gemini: a word":             notBelieved(gemini(`,"grounding":"web"`)),
		"Gemini: modalities":         {gemini(`,"promptTokensDetails":[{"modality":"TEXT","tokenCount":10}]`), false, price.Usage{Input: 10, Output: 20}, true, false},
		"Gemini: a number as a word": notBelieved(gemini(`,"totalTokenCount":"30"`)),
	})
	checkAnswered(t, vercel("/v3/ai/language-model"), `{`+vercelHi+`}`, false, map[string]answered{
		"Vercel: a number as a word": notBelieved(`{"content":[],"usage":{"inputTokens":{"total":"10"},"outputTokens":{"total":20}}}`),
	})
	checkAnswered(t, protocol.Responses{}, `{"model":"maxi","input":"hi"}`, false, map[string]answered{
		"Responses: true":               notBelieved(`{"usage":{"input_tokens":10,"output_tokens":20,"web":true}}`),
		"Responses: a number in a word": notBelieved(`{"usage":{"input_tokens":10,"output_tokens":"20"}}`),
	})
}

// TestTierElsewhere: in whichever place an answer names the service tier, that one is billed;
// where two places name two, nobody knows.
func TestTierElsewhere(t *testing.T) {
	chat := func(usage, more string) string {
		return `{"choices":[{"message":{"content":"ok"}}],"usage":{"prompt_tokens":20,"completion_tokens":5` + usage + `}` + more + `}`
	}
	believed := func(answer string, tier price.ServiceTier) answered {
		return answered{answer, false, price.Usage{Input: 20, Output: 5, ServiceTier: tier}, true, false}
	}
	const inUsage, beside = `,"service_tier":"priority"`, `,"service_tier":"default"`
	checkAnswered(t, protocol.ChatCompletions{}, chatRequestBody, false, map[string]answered{
		"in the usage":                   believed(chat(inUsage, ""), "priority"),
		"in both":                        believed(chat(inUsage, inUsage), "priority"),
		"in both, once left open":        believed(chat(inUsage, `,"service_tier":"auto"`), "priority"),
		"two":                            notBelieved(chat(inUsage, beside)),
		"in the usage, without a price":  notBelieved(chat(`,"service_tier":"scale"`, "")),
		"in the usage, which is no text": notBelieved(chat(`,"service_tier":3`, "")),
	})
	chunk := func(more string) string {
		return `data: {"choices":[{"index":0,"delta":{"content":"ok"},"finish_reason":"stop"}]` + more + "}\n\n"
	}
	last := func(usage, more string) string {
		return `data: {"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":5` + usage + `}` + more + "}\n\ndata: [DONE]\n\n"
	}
	checkAnswered(t, protocol.ChatCompletions{}, chatStreamBody, true, map[string]answered{
		"streamed: in the usage": believed(chunk("")+last(inUsage, ""), "priority"),
		"streamed: two":          notBelieved(chunk(inUsage) + last("", beside)),
		"streamed: in each":      believed(chunk(inUsage)+last("", inUsage), "priority"),
	})
	response := func(usage, more string) string {
		return `{"usage":{"input_tokens":20,"output_tokens":5` + usage + `}` + more + `}`
	}
	checkAnswered(t, protocol.Responses{}, `{"model":"maxi","input":"hi"}`, false, map[string]answered{
		"Responses: in the usage": believed(response(inUsage, ""), "priority"),
		"Responses: two":          notBelieved(response(inUsage, beside)),
	})
	gemini := func(usage string) string {
		return `{"candidates":[{"content":{"parts":[{"text":"ok"}]}}],"usageMetadata":{"promptTokenCount":20,"candidatesTokenCount":5` + usage + `}}`
	}
	checkAnswered(t, protocol.GenerateContent{}, `{"contents":[]}`, false, map[string]answered{
		"Gemini: by the kind of traffic":   believed(gemini(`,"trafficType":"ON_DEMAND_PRIORITY"`), "priority"),
		"Gemini: of no price":              notBelieved(gemini(`,"trafficType":"ON_DEMAND_FLEX"`)),
		"Gemini: of the usual kind":        believed(gemini(`,"trafficType":"ON_DEMAND"`), ""),
		"Gemini: reserved":                 believed(gemini(`,"trafficType":"PROVISIONED_THROUGHPUT"`), ""),
		"Gemini: two":                      notBelieved(gemini(`,"trafficType":"ON_DEMAND_PRIORITY","serviceTier":"standard"`)),
		"Gemini: both, one of which tells": believed(gemini(`,"trafficType":"ON_DEMAND","serviceTier":"priority"`), "priority"),
	})
}

// TestPropertiesElsewhere: what changes the price of a message may stand beside its usage.
func TestPropertiesElsewhere(t *testing.T) {
	message := func(usage, more string) string {
		return `{"usage":{"input_tokens":10,"output_tokens":20` + usage + `}` + more + `}`
	}
	believed := func(answer string, tier price.ServiceTier, properties map[string]string) answered {
		return answered{answer, false, price.Usage{Input: 10, Output: 20, ServiceTier: tier, Properties: price.PropertiesOf(properties)}, true, false}
	}
	fast := map[string]string{"speed": "fast"}
	checkAnswered(t, protocol.Messages{}, `{"model":"maxi","max_tokens":7,"messages":[]}`, false, map[string]answered{
		"beside it":         believed(message(``, `,"speed":"fast"`), "", fast),
		"a place beside it": believed(message(``, `,"inference_geo":"us"`), "", map[string]string{"inference_geo": "us"}),
		"a tier beside it":  believed(message(``, `,"service_tier":"priority"`), "priority", nil),
		"in both":           believed(message(`,"speed":"fast"`, `,"speed":"fast"`), "", fast),
		"two":               notBelieved(message(`,"speed":"standard"`, `,"speed":"fast"`)),
		"without a price":   notBelieved(message(``, `,"speed":"ludicrous"`)),
		"null beside it":    believed(message(`,"speed":"fast"`, `,"speed":null`), "", fast),
	})
	stream := func(start, delta, event string) string {
		return `data: {"type":"message_start","message":{"usage":{"input_tokens":10}` + start + `}}` + "\n\n" +
			`data: {"type":"message_delta","delta":{"stop_reason":"end_turn"` + delta + `},"usage":{"output_tokens":20}` + event + `}` + "\n\n" +
			`data: {"type":"message_stop"}` + "\n\n"
	}
	checkAnswered(t, protocol.Messages{}, `{"model":"maxi","max_tokens":7,"messages":[],"stream":true}`, true, map[string]answered{
		"streamed: at the start":   believed(stream(`,"speed":"fast"`, "", ""), "", fast),
		"streamed: at the end":     believed(stream("", `,"speed":"fast"`, ""), "", fast),
		"streamed: with the event": believed(stream("", "", `,"speed":"fast"`), "", fast),
		"streamed: two":            notBelieved(stream(`,"speed":"standard"`, `,"speed":"fast"`, "")),
	})
}

// TestResponseThatIsNotAtItsEnd: a response that is still being made may cost more than its
// usage says.
func TestResponseThatIsNotAtItsEnd(t *testing.T) {
	response := func(status string) string {
		return `{"status":"` + status + `","usage":{"input_tokens":10,"output_tokens":20}}`
	}
	whole := func(status string) answered {
		return answered{response(status), false, price.Usage{Input: 10, Output: 20}, true, false}
	}
	checkAnswered(t, protocol.Responses{}, `{"model":"maxi","input":"hi"}`, false, map[string]answered{
		"completed": whole("completed"), "incomplete": whole("incomplete"), "failed": whole("failed"), "cancelled": whole("cancelled"),
		"in progress":          notBelieved(response("in_progress")),
		"queued":               notBelieved(response("queued")),
		"another":              notBelieved(response("pausing")),
		"cut short, no usage":  notBelieved(`{"status":"incomplete","usage":null}`),
		"a status that is odd": notBelieved(strings.Replace(response("x"), `"x"`, `7`, 1)),
	})
	checkAnswered(t, protocol.Responses{}, `{"model":"maxi","input":"hi","stream":true}`, true, map[string]answered{
		"completed, it says, and is not": notBelieved(`data: {"type":"response.completed","response":` + response("in_progress") + "}\n\n"),
	})
}

// TestTotalBelowItsParts: one of the two is wrong.
func TestTotalBelowItsParts(t *testing.T) {
	gemini := func(usage string) string {
		return `{"candidates":[{"content":{"parts":[{"text":"ok"}]}}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":20,` + usage + `}}`
	}
	checkAnswered(t, protocol.GenerateContent{}, `{"contents":[]}`, false, map[string]answered{
		"below both":         notBelieved(gemini(`"totalTokenCount":29`)),
		"without thoughts":   notBelieved(gemini(`"thoughtsTokenCount":5,"totalTokenCount":30`)),
		"without what tools": notBelieved(gemini(`"toolUsePromptTokenCount":5,"totalTokenCount":30`)),
		"zero":               notBelieved(gemini(`"totalTokenCount":0`)),
		"above its parts":    {gemini(`"totalTokenCount":33`), false, price.Usage{Input: 10, Output: 23}, true, false},
		"as they are":        {gemini(`"thoughtsTokenCount":5,"totalTokenCount":35`), false, price.Usage{Input: 10, Output: 25, Reasoning: 5}, true, false},
	})
}

// TestOddJSON: a name that is written with escapes is the same name, and a byte order mark
// before an answer says nothing.
func TestOddJSON(t *testing.T) {
	const bom = "\uFEFF"
	twenty, plain := `{"prompt_tokens":20,"completion_tokens":5}`, price.Usage{Input: 20, Output: 5}
	checkAnswered(t, protocol.ChatCompletions{}, chatRequestBody, false, map[string]answered{
		"a byte order mark":             {bom + `{"choices":[],"usage":` + twenty + `}`, false, plain, true, false},
		"an escape":                     {`{"\u0075sage":` + twenty + `}`, false, plain, true, false},
		"an escape within":              {`{"usage":{"prompt\u005ftokens":20,"completion_token\u0073":5}}`, false, plain, true, false},
		"an escaped name that is there": notBelieved(`{"usage":` + twenty + `,"us\u0061ge":` + twenty + `}`),
		"an escaped fee":                notBelieved(`{"usage":{"prompt_tokens":20,"completion_tokens":5,"\u0066ee":1}}`),
	})
	chunk := `data: {"\u0063hoices":[{"index":0,"delta":{"c\u006Fntent":"ok"},"finish\u005freason":"stop"}]}` + "\n\n"
	checkAnswered(t, protocol.ChatCompletions{}, chatStreamBody, true, map[string]answered{
		"streamed":              {chunk + `data: {"choices":[],"usag\u0065":` + twenty + "}\n\n", false, plain, true, false},
		"streamed, no output":   notBelieved(chunk + `data: {"choices":[],"\u0075sage":{"prompt_tokens":20,"completion_tokens":0}}` + "\n\n"),
		"streamed, in a word":   {chunk + `data: {"choices":[{"index":0,"delta":{"content":"\\u0075sage \""}}],"usage":` + twenty + "}\n\n", false, plain, true, false},
		"streamed, there twice": notBelieved(chunk + `data: {"choices":[],"usage":` + twenty + `,"\u0075sage":{"prompt_tokens":20,"completion_tokens":9}}` + "\n\n"),
	})
	checkAnswered(t, protocol.Responses{}, `{"model":"maxi","input":"hi","stream":true}`, true, map[string]answered{
		"Responses":              {`data: {"ty\u0070e":"response\u002ecompleted","\u0072esponse":{"usage":{"input_tokens":10,"output_tokens":20}}}` + "\n\n", false, price.Usage{Input: 10, Output: 20}, true, false},
		"Responses, there twice": notBelieved(`data: {"type":"response.completed","response":{"usage":{"input_tokens":10,"output_tokens":20}},"response":{"usage":{"input_tokens":10,"output_tokens":90}}}` + "\n\n"),
	})
	checkAnswered(t, protocol.Messages{}, `{"model":"maxi","max_tokens":7,"messages":[],"stream":true}`, true, map[string]answered{
		"Messages": {`data: {"type":"message_st\u0061rt","message":{"us\u0061ge":{"input_tokens":10}}}` + "\n\n" +
			`data: {"type":"message\u005fdelta","delta":{"stop_reason":"end_turn"},"\u0075sage":{"output_tokens":20}}` + "\n\n", false, price.Usage{Input: 10, Output: 20}, true, false},
		"Messages, there twice": notBelieved(`data: {"type":"message_start","message":{"usage":{"input_tokens":10}}}` + "\n\n" +
			`data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":20},"usage":{"output_tokens":90}}` + "\n\n"),
	})
	checkAnswered(t, protocol.GenerateContent{Streamed: true}, `{"contents":[]}`, true, map[string]answered{
		"Gemini, there twice": notBelieved(`data: {"candidates":[{"content":{"parts":[{"text":"ok"}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":20},"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":90}}` + "\n\n"),
	})
}
