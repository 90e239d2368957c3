package protocol_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// frames are a stream of events with data alone.
func frames(data ...string) string {
	var stream strings.Builder
	for _, d := range data {
		stream.WriteString("data: " + d + "\n\n")
	}
	return stream.String()
}

// cutAnswer is an answer to a request for a stream that is cut off, of a model that is maxi
// unless it is changed, and what of it is to be charged: more than the input that was held,
// as extra, or else the input that the provider has reported.
type cutAnswer struct {
	endpoint protocol.Endpoint
	body     string
	model    func(*limiterv1.Model)
	stream   string
	by       protocol.Cut
	// want is the output; input is what the provider has reported.
	want  int64
	input price.Usage
	// tier is the service tier that the provider has told.
	tier price.ServiceTier
	// properties are those that the provider has told, in the place of those of the bound.
	properties price.Properties
	none       bool
}

const (
	seenChat      = `{"model":"maxi","messages":[{"role":"user","content":"hi"}],"max_tokens":90,"stream":true}`
	seenResponses = `{"model":"maxi","input":"hi","max_output_tokens":90,"stream":true}`
	seenMessages  = `{"model":"maxi","messages":[{"role":"user","content":"hi"}],"max_tokens":90,"stream":true}`
	seenGemini    = `{"contents":[{"parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":90}}`
	messageStart  = `{"type":"message_start","message":{"usage":{"input_tokens":7,"cache_read_input_tokens":2,"output_tokens":1}}}`
)

func upstream(name string) func(*limiterv1.Model) {
	return func(m *limiterv1.Model) { m.UpstreamName = name }
}

// besides has the provider list another model, at so many times the price of input.
func besides(name string, times price.PerMillion) func(*limiterv1.Model) {
	return func(m *limiterv1.Model) {
		other := limiterv1.Model{UpstreamName: name, Prices: price.Book{}}
		for tier, tariff := range m.Prices {
			tariff.Base = maps.Clone(tariff.Base)
			tariff.Base[price.Input] *= times
			other.Prices[tier] = tariff
		}
		m.Billing.Models = []limiterv1.Model{other}
	}
}

func byAnyName(m *limiterv1.Model) { m.AnsweredAs = []string{limiterv1.AnyName} }

func byTokenizer(m *limiterv1.Model) { m.Tokenizer = limiterv1.O200kBase }

// TestSeen: of each protocol, what is counted of an answer that was cut off. A message ends
// with two tokens, and as much as came at once at the most may come once more.
func TestSeen(t *testing.T) {
	chat, responses, messages, gemini := protocol.ChatCompletions{}, protocol.Responses{}, protocol.Messages{}, protocol.GenerateContent{Streamed: true}
	start := price.Usage{Input: 7, CachedInput: 2}
	for name, tc := range map[string]cutAnswer{
		"nothing":              {endpoint: chat, body: seenChat, none: true},
		"a comment":            {endpoint: chat, body: seenChat, stream: ": wait\n\n", none: true},
		"a role":               {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{"role":"assistant","content":""}}]}`), want: 2 + 1},
		"bytes":                {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{"content":"hello"}}]}`), want: 5 + 2 + 5},
		"by a tokenizer":       {endpoint: chat, body: seenChat, model: byTokenizer, stream: frames(`{"choices":[{"delta":{"content":"hello"}}]}`, `{"choices":[{"delta":{"content":" there, world"}}]}`), want: 1 + 3 + 2 + 3},
		"by a tokenizer, long": {endpoint: chat, body: strings.Replace(seenChat, "90", "99", 1), model: byTokenizer, stream: frames(`{"choices":[{"delta":{"content":"` + strings.Repeat(" time", 4000) + `"}}]}`), want: 99},
		"choices": {endpoint: chat, body: strings.Replace(seenChat, `"stream"`, `"n":2,"stream"`, 1),
			stream: frames(`{"choices":[{"index":0,"delta":{"content":"hello"}},{"index":1,"delta":{"content":"hi"}}]}`), want: 7 + 2 + 5},
		"refusal and reasoning":      {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{"refusal":"no","reasoning_content":"hm","reasoning":"so"}}]}`), want: 6 + 2 + 2},
		"a tool call":                {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"call_abc","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]}}]}`), want: 16 + 1 + 7 + 2 + 7},
		"a tool call with an object": {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{"tool_calls":[{"id":"c","function":{"name":"f","arguments":{"a":1}}}]}}]}`), want: 16 + 1 + 7 + 2 + 7},
		"a function, as it was":      {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{"function_call":{"name":"f","arguments":"{}"}}}]}`), want: 16 + 1 + 2 + 2 + 2},
		"thoughts in parts":          {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]}}]}`), want: 2 + 2 + 2},
		"an odd member":              {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{"plan":{"status":"go","id":7}}}]}`), want: 22 + 2 + 22},
		"a member of a choice":       {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"index":0,"reasoning_content":"hello","finish_reason":null}]}`), want: 5 + 2 + 5},
		"a member of the chunk":      {endpoint: chat, body: seenChat, stream: frames(`{"id":"x","object":"y","created":1,"model":"maxi","output":"hello","obfuscation":"zzz"}`), want: 5 + 2 + 5},
		"annotations":                {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{"annotations":[{"type":"url_citation","url_citation":{"title":"hello"}}]}}]}`), want: 5 + 2 + 5},
		"the tokens of no text":      {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{"content":""},"logprobs":{"content":[{"token":"a"},{"token":"b"}],"refusal":[{"token":"c"}]}}]}`), want: 3 + 2 + 1},
		"the tokens of some text":    {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{"content":"hello"},"logprobs":{"content":[{"token":"hello"}]}}]}`), want: 5 + 2 + 5},
		"ids of tokens":              {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{"content":""},"token_ids":[1,2]}]}`), want: 2 + 2 + 1},
		"a sound unasked for":        {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{"audio":{"id":"a","transcript":"hi","data":"xx"}}}]}`), want: 90},
		"a picture":                  {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{"content":"","images":[{"image_url":{"url":"https://a/b"}}]}}]}`), want: 90},
		"a message so far beside it": {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{"content":"hel"},"message":{"content":"hel"}}]}`, `{"choices":[{"delta":{"content":"lo"},"message":{"content":"hello"}}]}`), want: 5 + 2 + 3},
		"a message so far alone":     {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{},"message":{"content":"hel"}}]}`, `{"choices":[{"delta":{},"message":{"content":"hello"}}]}`), want: 5 + 2 + 3},
		"a running usage in words":   {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{"content":"hello"}}],"usage":{"prompt_tokens":"9","completion_tokens":"2"}}`), want: 5 + 2 + 5},
		"a choice that has ended":    {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{"content":"hello"},"finish_reason":"stop"}]}`), want: 5 + 2},
		"a choice that says twice that it has ended": {endpoint: chat, body: strings.Replace(seenChat, `"stream"`, `"n":2,"stream"`, 1),
			stream: frames(`{"choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":"stop"}]}`, `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`), want: 5 + 2 + 5},
		"running usage":                 {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{"content":"hello"}}],"usage":{"prompt_tokens":9,"completion_tokens":2}}`), want: 2 + 2 + 2, input: price.Usage{Input: 9}},
		"running usage, and more":       {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{"content":"hello"}}],"usage":{"prompt_tokens":9,"completion_tokens":2}}`, `{"choices":[{"delta":{"content":"you"}}]}`), want: 2 + 3 + 2 + 3, input: price.Usage{Input: 9}},
		"usage that does not grow":      {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{"content":"hello"}}],"usage":{"prompt_tokens":9,"completion_tokens":0}}`), want: 5 + 2 + 5},
		"no more than the bound":        {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{"content":"` + strings.Repeat("x", 100) + `"}}]}`), want: 90},
		"more than the bound, reported": {endpoint: chat, body: seenChat, stream: frames(`{"choices":[],"x":[],"usage":{"prompt_tokens":9,"completion_tokens":95}}`), want: 95, input: price.Usage{Input: 9}},
		"a frame that is cut":           {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{"content":"hello"}}]}`) + `data: {"choices":[{"del`, want: 5 + 2 + 5},
		"a first frame that is cut":     {endpoint: chat, body: seenChat, stream: `data: {"choices":[{"del`, want: 23 + 2 + 1},

		"left by the client": {endpoint: chat, body: seenChat, by: protocol.Cut{Ahead: 100 * time.Millisecond},
			stream: frames(`{"choices":[{"delta":{"content":"hello"}}]}`), want: 5 + 2 + 10},
		"after a silence": {endpoint: chat, body: seenChat, by: protocol.Cut{At: time.Now().Add(time.Minute)},
			stream: frames(`{"choices":[{"delta":{"content":"hello"}}]}`), want: 90},

		"a model that hides what it thinks":   {endpoint: chat, body: seenChat, model: upstream("o3-mini"), stream: frames(`{"choices":[{"delta":{"content":"a"}}]}`), want: 90},
		"behind a gateway":                    {endpoint: chat, body: seenChat, model: upstream("openai/gpt-5-mini"), stream: frames(`{"choices":[{"delta":{"content":"a"}}]}`), want: 90},
		"behind a deployment":                 {endpoint: chat, body: seenChat, model: byAnyName, stream: frames(`{"model":"gpt-5-2025-08-07","choices":[{"delta":{"content":"a"}}]}`), want: 90},
		"that is told not to think":           {endpoint: chat, body: strings.Replace(seenChat, `"stream"`, `"reasoning_effort":"none","stream"`, 1), model: upstream("gpt-5.1"), stream: frames(`{"choices":[{"delta":{"content":"a"}}]}`), want: 1 + 2 + 1},
		"that is told to think":               {endpoint: chat, body: strings.Replace(seenChat, `"stream"`, `"reasoning_effort":"low","stream"`, 1), stream: frames(`{"choices":[{"delta":{"content":"a"}}]}`), want: 90},
		"of which it is known that it hides":  {endpoint: chat, body: seenChat, model: func(m *limiterv1.Model) { m.Reasoning = limiterv1.ReasoningHidden }, stream: frames(`{"choices":[{"delta":{"content":"a"}}]}`), want: 90},
		"of which it is known that it shows":  {endpoint: chat, body: seenChat, model: func(m *limiterv1.Model) { m.UpstreamName, m.Reasoning = "o3", limiterv1.ReasoningShown }, stream: frames(`{"model":"o3","choices":[{"delta":{"content":"a"}}]}`), want: 1 + 2 + 1},
		"that hides it, with a running usage": {endpoint: chat, body: seenChat, model: upstream("o3"), stream: frames(`{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":9,"completion_tokens":20}}`), want: 20 + 2 + 20, input: price.Usage{Input: 9}},
		"encrypted reasoning":                 {endpoint: chat, body: seenChat, stream: frames(`{"choices":[{"delta":{"reasoning":"","reasoning_details":[{"type":"reasoning.encrypted","data":"xxxx"}]}}]}`), want: 90},

		"Responses: text": {endpoint: responses, body: seenResponses, stream: frames(
			`{"type":"response.created","response":{"model":"maxi"}}`, `{"type":"response.output_item.added","item":{"type":"message"}}`, `{"type":"response.output_text.delta","delta":"hello"}`), want: 2 + 5 + 2 + 5},
		"Responses: text that is repeated at its end": {endpoint: responses, body: seenResponses, stream: frames(
			`{"type":"response.output_text.delta","delta":"hello"}`, `{"type":"response.output_text.done","text":"hello"}`, `{"type":"response.output_item.done","item":{"type":"message","content":[{"text":"hello"}]}}`), want: 5 + 2 + 5},
		"Responses: text that comes at its end alone": {endpoint: responses, body: seenResponses, stream: frames(
			`{"type":"response.output_text.done","text":"hello"}`, `{"type":"response.content_part.done","part":{"type":"output_text","text":"hello"}}`), want: 5 + 2 + 5},
		"Responses: text of which the start came in pieces": {endpoint: responses, body: seenResponses, stream: frames(
			`{"type":"response.output_text.delta","delta":"he"}`, `{"type":"response.output_text.done","text":"hello"}`), want: 5 + 2 + 3},
		"Responses: a message that comes whole": {endpoint: responses, body: seenResponses, stream: frames(
			`{"type":"response.output_item.added","item":{"type":"message","content":[]}}`, `{"type":"response.output_item.done","item":{"type":"message","id":"m","content":[{"type":"output_text","text":"hello"}]}}`), want: 2 + 5 + 2 + 5},
		"Responses: a function that comes whole": {endpoint: responses, body: seenResponses, stream: frames(
			`{"type":"response.output_item.done","item":{"type":"function_call","name":"f","call_id":"c","arguments":"{}"}}`), want: 16 + 1 + 2 + 2 + 2},
		"Responses: text in the item that begins": {endpoint: responses, body: seenResponses, stream: frames(
			`{"type":"response.output_item.added","item":{"type":"message","content":[{"type":"output_text","text":"hello"}]}}`), want: 2 + 5 + 2 + 5},
		"Responses: text in the part that begins": {endpoint: responses, body: seenResponses, stream: frames(
			`{"type":"response.content_part.added","part":{"type":"output_text","text":"hello"}}`), want: 5 + 2 + 5},
		"Responses: an event of another kind": {endpoint: responses, body: seenResponses, stream: frames(`{"type":"response.plan","sequence_number":3,"plan":"hello"}`), want: 5 + 2 + 5},
		"Responses: a transcript":             {endpoint: responses, body: seenResponses, stream: frames(`{"type":"response.audio.transcript.delta","delta":"hello"}`), want: 5 + 2 + 5},
		"Responses: noise":                    {endpoint: responses, body: seenResponses, stream: frames(`{"type":"response.output_text.delta","item_id":"i","delta":"hello","obfuscation":"zzzz","logprobs":[]}`), want: 5 + 2 + 5},
		"Responses: what goes on":             {endpoint: responses, body: seenResponses, stream: frames(`{"type":"response.web_search_call.searching","item_id":"i","output_index":0}`), want: 2 + 1},
		"Responses: a function's arguments": {endpoint: responses, body: seenResponses, stream: frames(
			`{"type":"response.output_item.added","item":{"type":"function_call","id":"fc_1","name":"f"}}`, `{"type":"response.function_call_arguments.delta","delta":"{}"}`), want: 16 + 1 + 2 + 2 + 2},
		"Responses: an item that comes whole": {endpoint: responses, body: seenResponses, stream: frames(
			`{"type":"response.output_item.added","item":{"type":"shell_call"}}`, `{"type":"response.output_item.done","item":{"type":"shell_call","action":{"commands":["ls -l"]}}}`), want: 16 + 5 + 2 + 5},
		"Responses: an item of reasoning": {endpoint: responses, body: seenResponses, stream: frames(`{"type":"response.output_item.added","item":{"type":"reasoning"}}`), want: 90},
		"Responses: an effort":            {endpoint: responses, body: seenResponses, stream: frames(`{"type":"response.created","response":{"reasoning":{"effort":"medium"}}}`), want: 90},
		"Responses: no effort of a model by the name of one that thinks": {endpoint: responses, body: seenResponses, model: upstream("gpt-5"),
			stream: frames(`{"type":"response.created","response":{"model":"gpt-5","reasoning":{"effort":"none"}}}`), want: 2 + 1},

		"the tier that is told": {endpoint: chat, body: strings.Replace(seenChat, `"stream"`, `"service_tier":"priority","stream"`, 1), model: byAnyName,
			stream: frames(`{"model":"x","service_tier":"default","choices":[{"delta":{"content":"a"}}]}`), want: 1 + 2 + 1, tier: price.Default},

		"Messages: before there is text": {endpoint: messages, body: seenMessages, stream: frames(messageStart), want: 2 + 1, input: start},
		"Messages: text": {endpoint: messages, body: seenMessages, stream: frames(messageStart, `{"type":"content_block_start","content_block":{"type":"text","text":""}}`,
			`{"type":"content_block_delta","delta":{"type":"text_delta","text":"hello"}}`, `{"type":"ping"}`), want: 5 + 2 + 5, input: start},
		"Messages: a tool": {endpoint: messages, body: seenMessages, stream: frames(messageStart, `{"type":"content_block_start","content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}`,
			`{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}}`), want: 16 + 1 + 7 + 2 + 7, input: start},
		"Messages: a tool that comes whole":  {endpoint: messages, body: seenMessages, stream: frames(messageStart, `{"type":"content_block_start","content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{"a":1}}}`), want: 16 + 1 + 7 + 2 + 7, input: start},
		"Messages: a block of another kind":  {endpoint: messages, body: seenMessages, stream: frames(messageStart, `{"type":"content_block_start","content_block":{"type":"refusal","refusal":"hello"}}`), want: 16 + 5 + 2 + 5, input: start},
		"Messages: content at the start":     {endpoint: messages, body: seenMessages, stream: frames(strings.Replace(messageStart, `"usage"`, `"content":[{"type":"text","text":"hello"}],"usage"`, 1)), want: 5 + 2 + 5, input: start},
		"Messages: an event of another kind": {endpoint: messages, body: seenMessages, stream: frames(messageStart, `{"type":"text","index":0,"text":"hello"}`), want: 5 + 2 + 5, input: start},
		"Messages: an error":                 {endpoint: messages, body: seenMessages, stream: frames(messageStart, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`), want: 2 + 1, input: start},
		"Messages: at the usual speed, as asked": {endpoint: messages, body: strings.Replace(seenMessages, `"stream"`, `"speed":"standard","inference_geo":"us","stream"`, 1),
			stream: frames(messageStart), want: 2 + 1, input: price.Usage{Input: 7, CachedInput: 2, Properties: "inference_geo=us&speed="}},
		"Messages: in another place than was asked for": {endpoint: messages, body: strings.Replace(seenMessages, `"stream"`, `"speed":"standard","inference_geo":"global","stream"`, 1),
			stream: frames(strings.Replace(messageStart, `"output`, `"inference_geo":"us","output`, 1)), want: 2 + 1, input: price.Usage{Input: 7, CachedInput: 2, Properties: "inference_geo=us&speed="}},
		"Messages: slower than was asked for": {endpoint: messages, body: strings.Replace(seenMessages, `"stream"`, `"speed":"fast","stream"`, 1),
			stream: frames(strings.Replace(messageStart, `"output`, `"speed":"standard","output`, 1)), want: 2 + 1, input: price.Usage{Input: 7, CachedInput: 2, Properties: "speed="}},
		"Messages: a place, and a usage that is not believed": {endpoint: messages, body: strings.Replace(seenMessages, `"stream"`, `"inference_geo":"global","stream"`, 1),
			stream: frames(`{"type":"message_start","message":{"usage":{"input_tokens":7.5,"inference_geo":"us"}}}`), want: 2 + 1, properties: "inference_geo=us"},
		"Messages: a citation":                   {endpoint: messages, body: seenMessages, stream: frames(messageStart, `{"type":"content_block_delta","delta":{"type":"citations_delta","citation":{"cited_text":"xxxxxx"}}}`), want: 2 + 1, input: start},
		"Messages: thoughts":                     {endpoint: messages, body: seenMessages, stream: frames(messageStart, `{"type":"content_block_start","content_block":{"type":"thinking","thinking":""}}`), want: 90, input: start},
		"Messages: thoughts that were asked for": {endpoint: messages, body: strings.Replace(seenMessages, `"stream"`, `"thinking":{"type":"adaptive"},"stream"`, 1), stream: frames(messageStart), want: 90, input: start},
		"Messages: no thoughts, as asked":        {endpoint: messages, body: strings.Replace(seenMessages, `"stream"`, `"thinking":{"type":"disabled"},"stream"`, 1), stream: frames(messageStart), want: 2 + 1, input: start},

		"Gemini: with usage": {endpoint: gemini, body: seenGemini, stream: frames(
			`{"candidates":[{"content":{"parts":[{"text":"hello"}]}}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":2,"thoughtsTokenCount":9,"totalTokenCount":15}}`,
			`{"candidates":[{"content":{"parts":[{"text":"hello"}]}}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":6,"thoughtsTokenCount":9,"totalTokenCount":19}}`), want: 15 + 2 + 11, input: price.Usage{Input: 4, Reasoning: 9}},
		"Gemini: without usage": {endpoint: gemini, body: seenGemini, stream: frames(`{"candidates":[{"content":{"parts":[{"text":"hello"}]}}]}`), want: 90},
		"Gemini: without usage, of a model that hides nothing": {endpoint: gemini, body: seenGemini, model: func(m *limiterv1.Model) { m.Reasoning = limiterv1.ReasoningShown },
			stream: frames(`{"candidates":[{"content":{"parts":[{"text":"hello"},{"functionCall":{"name":"f","args":{"a":1}}}]}}]}`), want: 5 + 1 + 7 + 2 + 7},
		"Gemini: text beside the content": {endpoint: gemini, body: seenGemini, model: func(m *limiterv1.Model) { m.Reasoning = limiterv1.ReasoningShown },
			stream: frames(`{"candidates":[{"output":"hello","index":0,"safetyRatings":[{"category":"X"}],"groundingMetadata":{"webSearchQueries":["x"]}}],"responseId":"x"}`), want: 5 + 2 + 5},
		"Gemini: a picture": {endpoint: gemini, body: seenGemini, model: func(m *limiterv1.Model) { m.Reasoning = limiterv1.ReasoningShown },
			stream: frames(`{"candidates":[{"content":{"parts":[{"fileData":{"fileUri":"x"}}]}}]}`), want: 90},
		"Gemini: an end in a frame that is cut": {endpoint: gemini, body: seenGemini, model: func(m *limiterv1.Model) { m.Reasoning = limiterv1.ReasoningShown },
			stream: frames(`{"candidates":[{"content":{"parts":[{"text":"hello, hello, hello, hello, hello"}]}}]}`) + `data: {"candidates":[{"content":{"parts":[{"text":"you"}]},"finishReason":"STOP"}]}`, want: 33 + 2 + 33},

		"another model":                {endpoint: chat, body: seenChat, stream: frames(`{"model":"x","choices":[{"delta":{"content":"a"}}]}`), none: true},
		"another model that is listed": {endpoint: chat, body: seenChat, model: besides("x", 2), stream: frames(`{"model":"x","choices":[{"delta":{"content":"a"}}]}`), none: true},
		"another model at the price":   {endpoint: chat, body: seenChat, model: besides("x", 1), stream: frames(`{"model":"x","choices":[{"delta":{"content":"a"}}]}`), want: 1 + 2 + 1},
		"Responses: another model":     {endpoint: responses, body: seenResponses, stream: frames(`{"type":"response.created","response":{"model":"x"}}`), none: true},
		"Messages: another model":      {endpoint: messages, body: seenMessages, stream: frames(`{"type":"message_start","message":{"model":"x","usage":{"input_tokens":7,"output_tokens":1}}}`), none: true},
		"Gemini: another model": {endpoint: gemini, body: seenGemini, stream: frames(
			`{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"modelVersion":"x","usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":1,"totalTokenCount":5}}`), none: true},
	} {
		t.Run(name, func(t *testing.T) { tc.check(t) })
	}
}

// check passes the answer in pieces of every size.
func (tc cutAnswer) check(t *testing.T) {
	model := maxi
	if tc.model != nil {
		tc.model(&model)
	}
	in := incoming(tc.body)
	if tc.endpoint.Protocol().Name() == limiterv1.Gemini {
		in = streamed(in)
	}
	request, err := tc.endpoint.Read(in)
	if err != nil {
		t.Fatal(err)
	}
	call, err := request.For(model, protocol.OutputLimits{})
	if err != nil {
		t.Fatal(err)
	}
	want := tc.input
	if want.TotalInput() == 0 {
		want = call.Bound
	}
	want.Output, want.ServiceTier = tc.want, tc.tier
	if tc.properties != "" {
		want.Properties = tc.properties
	}
	if tc.none {
		want = price.Usage{}
	}
	if tc.by.At.IsZero() {
		tc.by.At = time.Now()
	}
	for _, size := range []int{1, 7, 100, len(tc.stream) + 1} {
		answer := call.Stream()
		for piece := range chunks([]byte(tc.stream), size) {
			answer.Pass(piece)
		}
		answer.End(true)
		got, ok := answer.Seen(tc.by)
		if got != want || ok == tc.none {
			t.Fatalf("in pieces of %d: got %+v, %t, want %+v", size, got, ok, want)
		}
		if tc.none {
			continue
		}
		if cost, err := call.Dearest(got); err != nil || cost > call.Cost && got.Output <= 90 {
			t.Errorf("costs %s of %s, %v", cost, call.Cost, err)
		}
	}
}

// TestProgress: when a provider may be left, and when all that is to come is the end.
func TestProgress(t *testing.T) {
	for name, tc := range map[string]struct {
		endpoint protocol.Endpoint
		body     string
		stream   []string
		want     protocol.Progress
	}{
		"nothing":           {protocol.ChatCompletions{}, seenChat, nil, protocol.NotBegun},
		"chat":              {protocol.ChatCompletions{}, seenChat, []string{`{"choices":[{"delta":{"content":"a"}}]}`}, protocol.Underway},
		"chat, one of two":  {protocol.ChatCompletions{}, strings.Replace(seenChat, `"stream"`, `"n":2,"stream"`, 1), []string{`{"choices":[{"delta":{},"finish_reason":"stop"}]}`}, protocol.Underway},
		"chat, said":        {protocol.ChatCompletions{}, seenChat, []string{`{"choices":[{"delta":{},"finish_reason":"stop"}]}`}, protocol.OutputEnded},
		"responses":         {protocol.Responses{}, seenResponses, []string{`{"type":"response.output_item.added","item":{"type":"message"}}`}, protocol.Underway},
		"responses, said":   {protocol.Responses{}, seenResponses, []string{`{"type":"response.output_item.added","item":{"type":"message"}}`, `{"type":"response.output_item.done","item":{"type":"message"}}`}, protocol.OutputEnded},
		"messages":          {protocol.Messages{}, seenMessages, []string{messageStart}, protocol.Underway},
		"messages, a block": {protocol.Messages{}, seenMessages, []string{`{"type":"content_block_start","content_block":{"type":"text"}}`}, protocol.Underway},
		"messages, said":    {protocol.Messages{}, seenMessages, []string{`{"type":"content_block_start","content_block":{"type":"text"}}`, `{"type":"content_block_stop"}`}, protocol.OutputEnded},
		"gemini":            {protocol.GenerateContent{Streamed: true}, seenGemini, []string{`{"candidates":[{"content":{}}]}`}, protocol.Underway},
		"gemini, said":      {protocol.GenerateContent{Streamed: true}, seenGemini, []string{`{"candidates":[{"finishReason":"STOP"}]}`}, protocol.OutputEnded},
	} {
		answer := answerOf(t, tc.endpoint, tc.body, true)
		answer.Pass([]byte(frames(tc.stream...)))
		if got := answer.Progress(); got != tc.want {
			t.Errorf("%s: got %d, want %d", name, got, tc.want)
		}
	}
	whole := answerOf(t, protocol.ChatCompletions{}, seenChat, false)
	whole.Pass([]byte(`{"choices":[`))
	if got := whole.Progress(); got != protocol.NotBegun {
		t.Errorf("a whole answer: got %d", got)
	}
}

// TestErrorEventIsNumbered: an error in a Responses stream has the number that comes after
// that of the last event, as clients expect of every event.
func TestErrorEventIsNumbered(t *testing.T) {
	const said = `{"error":{"message":"Cut off.","type":"server_error","param":null,"code":"provider_cut"}}`
	for name, tc := range map[string]struct{ stream, want string }{
		"the first event":                 {"", `"sequence_number":0`},
		"the fifth event":                 {frames(`{"type":"response.output_text.delta","delta":"a","sequence_number":4}`), `"sequence_number":5`},
		"after an event without a number": {frames(`{"type":"response.created","sequence_number":0}`, `{"type":"response.output_text.delta","delta":"a"}`), `"sequence_number":1`},
	} {
		answer := answerOf(t, protocol.Responses{}, seenResponses, true)
		answer.Pass([]byte(tc.stream))
		answer.End(true)
		frame, cut := answer.Problem([]byte(said))
		if !strings.HasPrefix(string(frame), "event: error\ndata: {") || !strings.Contains(string(frame), tc.want) || cut {
			t.Errorf("%s: got %s, cut: %t; want %s", name, frame, cut, tc.want)
		}
		for _, member := range []string{`"type":"error"`, `"message":"Cut off."`, `"code":"provider_cut"`, `"param":null`} {
			if !strings.Contains(string(frame), member) {
				t.Errorf("%s: no %s in %s", name, member, frame)
			}
		}
	}
}
