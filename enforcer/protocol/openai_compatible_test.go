package protocol_test

import (
	"strings"
	"testing"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

const (
	chatRequestBody = `{"model":"maxi","messages":[],"stream_options":{"include_usage":true}}`
	chatStreamBody  = `{"model":"maxi","messages":[],"stream":true,"stream_options":{"include_usage":true}}`
)

// TestChatUsageOfMany: of a whole answer, as compatible providers write it.
func TestChatUsageOfMany(t *testing.T) {
	answer := func(usage string) string {
		return `{"model":"maxi","choices":[{"message":{"content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":5` + usage + `}}`
	}
	plain, eight := price.Usage{Input: 20, Output: 5}, price.Usage{Input: 8, CachedInput: 12, Output: 5}
	believed := func(usage string, used price.Usage) answered {
		return answered{answer(usage), false, used, true, false}
	}
	doubted := func(usage string) answered { return answered{answer(usage), false, price.Usage{}, false, false} }
	checkAnswered(t, protocol.ChatCompletions{}, chatRequestBody, false, map[string]answered{
		"as it is":                   believed(``, plain),
		"written to the cache":       believed(`,"prompt_tokens_details":{"cached_tokens":2,"cache_write_tokens":17}`, price.Usage{Input: 1, CachedInput: 2, CacheWrite5m: 17, Output: 5}),
		"Qwen's":                     believed(`,"prompt_tokens_details":{"cached_tokens":0,"cache_creation_input_tokens":12,"cache_creation":{"ephemeral_5m_input_tokens":12},"cache_type":"ephemeral"}`, price.Usage{Input: 8, CacheWrite5m: 12, Output: 5}),
		"an hour's":                  believed(`,"prompt_tokens_details":{"cache_creation_tokens":12,"cache_creation":{"ephemeral_1h_input_tokens":10}}`, price.Usage{Input: 8, CacheWrite5m: 2, CacheWrite1h: 10, Output: 5}),
		"DeepSeek's":                 believed(`,"prompt_cache_hit_tokens":12,"prompt_cache_miss_tokens":8,"prompt_tokens_details":{"cached_tokens":12}`, eight),
		"Moonshot's":                 believed(`,"cached_tokens":12,"prompt_tokens_details":{"cached_tokens":0}`, eight),
		"Mistral's":                  believed(`,"num_cached_tokens":12,"prompt_audio_seconds":null,"prompt_token_details":{"cached_tokens":12}`, eight),
		"Groq's":                     believed(`,"queue_time":0.05,"prompt_time":0.001,"completion_time":0.4,"total_time":0.45`, plain),
		"OpenRouter's":               believed(`,"cost":0.000001,"is_byok":false,"cost_details":{"upstream_inference_cost":null}`, plain),
		"xAI's thoughts":             believed(`,"total_tokens":65,"completion_tokens_details":{"reasoning_tokens":40}`, price.Usage{Input: 20, Output: 45, Reasoning: 40}),
		"more cached than there is":  doubted(`,"cached_tokens":21`),
		"more written than there is": doubted(`,"prompt_tokens_details":{"cached_tokens":10,"cache_write_tokens":11}`),
		"two that differ":            doubted(`,"cached_tokens":12,"prompt_cache_hit_tokens":11`),
		"a point":                    doubted(`,"prompt_tokens_details":{"cached_tokens":9.0}`),
		"a total with a point":       doubted(`,"total_tokens":25.0`),
		"a total that is too small":  doubted(`,"total_tokens":24`),
		"thoughts beyond all output": doubted(`,"completion_tokens_details":{"reasoning_tokens":6}`),
		"searches":                   doubted(`,"num_search_queries":3`),
		"xAI's sources":              doubted(`,"num_sources_used":1`),
		"Qwen's plugins":             doubted(`,"plugins":{"search":{"count":1}}`),
		"Perplexity's fee":           doubted(`,"search_context_size":"low","cost":{"input_tokens_cost":0.00000002,"request_cost":0.9,"total_cost":0.90000002}`),
		"citations":                  doubted(`,"citation_tokens":5`),
		"seconds of sound":           doubted(`,"prompt_audio_seconds":3`),
		"no input":                   {strings.Replace(answer(``), "20", "0", 1), false, price.Usage{}, false, false},
		"no output that is seen":     {strings.Replace(answer(``), "5", "0", 1), false, price.Usage{}, false, false},
		"no output":                  {`{"choices":[{"message":{"content":""}}],"usage":{"prompt_tokens":20,"completion_tokens":0}}`, false, price.Usage{Input: 20}, true, false},
		"no output of a long answer": {`{"choices":[{"message":{"content":"` + strings.Repeat("x", 5000) + `"}}],"usage":{"prompt_tokens":20,"completion_tokens":0}}`, false, price.Usage{}, false, false},
		"a call of a tool, unbilled": {`{"choices":[{"message":{"content":null,"tool_calls":[{}]}}],"usage":{"prompt_tokens":20,"completion_tokens":0}}`, false, price.Usage{}, false, false},
		"thoughts, and no output":    {`{"usage":{"prompt_tokens":20,"completion_tokens":0,"total_tokens":20,"completion_tokens_details":{"reasoning_tokens":3}}}`, false, price.Usage{}, false, false},
		"of a snapshot":              {strings.Replace(answer(``), "maxi", "maxi-2026-03-04", 1), false, plain, true, false},
		"of another model":           {strings.Replace(answer(``), "maxi", "maxi-pro", 1), false, price.Usage{}, false, false},
		"in a tier without a price":  {strings.Replace(answer(``), `"model"`, `"service_tier":"scale","model"`, 1), false, price.Usage{}, false, false},
	})
}

// TestChatStreamEnds: a stream is whole in each of the ways in which providers end one.
func TestChatStreamEnds(t *testing.T) {
	chunk := func(members string) string { return `data: {"model":"maxi","choices":[` + members + "]}\n\n" }
	with := func(usage string, members string) string {
		return `data: {"model":"maxi","choices":[` + members + `],"usage":` + usage + "}\n\n"
	}
	const (
		says, stops   = `{"index":0,"delta":{"content":"ok"},"finish_reason":null}`, `{"index":0,"delta":{},"finish_reason":"stop"}`
		seven, twenty = `{"prompt_tokens":20,"completion_tokens":1}`, `{"prompt_tokens":20,"completion_tokens":5,"cached_tokens":12}`
		nothing       = `{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}`
		end           = "data: [DONE]\n\n"
		choiceUsage   = `{"index":0,"delta":{},"finish_reason":"stop","usage":` + twenty + `}`
	)
	used := price.Usage{Input: 8, CachedInput: 12, Output: 5}
	whole := func(stream string) answered { return answered{stream, false, used, true, false} }
	unknown := func(stream string) answered { return answered{stream, false, price.Usage{}, false, false} }
	checkAnswered(t, protocol.ChatCompletions{}, chatStreamBody, true, map[string]answered{
		"as OpenAI":                     whole(chunk(says) + chunk(stops) + with(twenty, "") + end),
		"a blank after [DONE]":          whole(chunk(says) + chunk(stops) + with(twenty, "") + "data: [DONE] \n\n"),
		"no [DONE], usage at the end":   whole(chunk(says) + with(twenty, stops)),
		"no [DONE], usage before that":  whole(chunk(says) + with(twenty, says) + chunk(stops)),
		"usage in each":                 whole(with(seven, says) + with(twenty, stops)),
		"usage in a choice":             whole(chunk(says) + chunk(choiceUsage) + end),
		"usage in a choice, no [DONE]":  whole(chunk(says) + chunk(choiceUsage)),
		"usage in a choice beside null": whole(chunk(says) + with("null", choiceUsage) + end),
		"a frame after the usage":       whole(chunk(says) + chunk(stops) + with(twenty, "") + chunk("") + end),
		"an empty usage after it":       whole(chunk(says) + with(twenty, stops) + with(nothing, "") + end),
		"none after it":                 whole(chunk(says) + with(twenty, stops) + with("null", "") + with("{}", "") + end),
		"an empty usage before it":      whole(with(nothing, says) + with(twenty, stops) + end),
		"less after it":                 unknown(with(twenty, says) + with(seven, stops) + end),
		"an empty usage alone":          unknown(chunk(says) + with(nothing, stops) + end),
		"no usage":                      unknown(chunk(says) + chunk(stops)),
		"no output for what was seen":   unknown(chunk(says) + with(`{"prompt_tokens":20,"completion_tokens":0}`, stops) + end),
		"another model's":               unknown(strings.ReplaceAll(chunk(says)+with(twenty, stops)+end, "maxi", "maxi-pro")),
		"cut after [DONE]":              {chunk(says) + chunk(stops) + with(twenty, "") + end, true, used, true, false},
		"no end":                        {chunk(says), false, price.Usage{}, false, true},
		"cut at its end":                {chunk(says) + chunk(stops), true, price.Usage{}, false, true},
	})
	two := strings.Replace(chatStreamBody, `"stream"`, `"n":2,"stream"`, 1)
	other := strings.ReplaceAll(stops, `"index":0`, `"index":1`)
	checkAnswered(t, protocol.ChatCompletions{}, two, true, map[string]answered{
		"one of two":                 {chunk(says) + with(twenty, stops), false, price.Usage{}, false, true},
		"two of two":                 whole(chunk(says) + chunk(other) + with(twenty, stops)),
		"usage in one of two, alone": unknown(chunk(says) + chunk(other) + chunk(choiceUsage) + end),
	})
}

func TestResponsesUsageThatIsMore(t *testing.T) {
	answer := func(members, usage string) string {
		return `{"model":"maxi","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"ok"}]}],` + members +
			`"usage":{"input_tokens":20,"output_tokens":5` + usage + `}}`
	}
	believed := func(members, usage string, used price.Usage) answered {
		return answered{answer(members, usage), false, used, true, false}
	}
	doubted := func(members, usage string) answered {
		return answered{answer(members, usage), false, price.Usage{}, false, false}
	}
	checkAnswered(t, protocol.Responses{}, `{"model":"maxi","input":"hi"}`, false, map[string]answered{
		"written to the cache":  believed(``, `,"input_tokens_details":{"cached_tokens":2,"cache_write_tokens":17}`, price.Usage{Input: 1, CachedInput: 2, CacheWrite5m: 17, Output: 5}),
		"kept for half an hour": believed(``, `,"input_tokens_details":{"cached_tokens":0,"cache_write_tokens":17,"cache_write_tokens_details":{"ttl_30m_tokens":17,"ttl_12h_tokens":0}}`, price.Usage{Input: 3, CacheWrite5m: 17, Output: 5}),
		"kept for longer":       doubted(``, `,"input_tokens_details":{"cache_write_tokens":17,"cache_write_tokens_details":{"ttl_30m_tokens":7,"ttl_12h_tokens":10}}`),
		"no use of tools":       believed(`"tool_usage":{"web_search":{"num_requests":0}},`, ``, price.Usage{Input: 20, Output: 5}),
		"searches":              believed(`"tool_usage":{"web_search":{"num_requests":2}},`, ``, price.Usage{Input: 20, Output: 5, Uses: "web_search=2"}),
		"other tools":           doubted(`"tool_usage":{"file_search":{"num_requests":2}},`, ``),
		"xAI's tools":           doubted(``, `,"num_server_side_tools_used":1`),
		"xAI's cost":            believed(``, `,"cost_in_usd_ticks":10`, price.Usage{Input: 20, Output: 5}),
		"a higher cost":         doubted(``, `,"cost_in_usd_ticks":10000000000`),
		"thoughts beyond":       doubted(``, `,"output_tokens_details":{"reasoning_tokens":6}`),
		"a smaller total":       doubted(``, `,"total_tokens":24`),
		"a point":               doubted(``, `,"total_tokens":25.0`),
		"something else":        doubted(``, `,"a":1`),
		"nothing, failed":       {`{"status":"failed","output":[],"usage":{"input_tokens":0,"output_tokens":0}}`, false, price.Usage{}, true, false},
		"nothing, completed":    {`{"status":"completed","output":[],"usage":{"input_tokens":0,"output_tokens":0}}`, false, price.Usage{}, false, false},
		"output, failed":        {`{"status":"failed","output":[{"type":"function_call"}],"usage":{"input_tokens":0,"output_tokens":0}}`, false, price.Usage{}, false, false},
		"output without any":    {strings.Replace(answer(``, ``), `:5}`, `:0}`, 1), false, price.Usage{}, false, false},
	})
	event := func(kind, members string) string {
		return `data: {"type":"response.` + kind + `",` + members + "}\n\n"
	}
	last := func(usage string) string { return event("completed", `"response":{"model":"maxi","usage":`+usage+`}`) }
	delta := event("output_text.delta", `"delta":"ok"`)
	checkAnswered(t, protocol.Responses{}, `{"model":"maxi","input":"hi","stream":true}`, true, map[string]answered{
		"an empty one after a true one": {delta + last(`{"input_tokens":20,"output_tokens":5}`) + last(`{"input_tokens":0,"output_tokens":0}`), false, price.Usage{Input: 20, Output: 5}, true, false},
		"no output that was seen":       {delta + last(`{"input_tokens":20,"output_tokens":0}`), false, price.Usage{}, false, false},
		"no output":                     {last(`{"input_tokens":20,"output_tokens":0}`), false, price.Usage{Input: 20}, true, false},
	})
}

func TestEmbeddingsUsageThatIsMore(t *testing.T) {
	answer := func(members string) string { return `{"model":"maxi","data":[],"usage":{` + members + `}}` }
	checkAnswered(t, protocol.Embeddings{}, `{"model":"maxi","input":"hi"}`, false, map[string]answered{
		"Mistral's":       {answer(`"prompt_tokens":5,"total_tokens":5,"completion_tokens":0,"prompt_audio_seconds":null`), false, price.Usage{Input: 5}, true, false},
		"another total":   {answer(`"prompt_tokens":5,"total_tokens":9`), false, price.Usage{}, false, false},
		"images":          {answer(`"prompt_tokens":5,"total_tokens":5,"image_count":1`), false, price.Usage{}, false, false},
		"another model's": {strings.Replace(answer(`"prompt_tokens":5`), "maxi", "maxi-large", 1), false, price.Usage{}, false, false},
	})
}

// TestReportedCostCounts: where the ModelProvider says so, and only there.
func TestReportedCostCounts(t *testing.T) {
	const answer = `{"model":"somebody/else","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":5,"cost":0.0123456789,"server_tool_use":{"web_search_requests":1}}}`
	provider := limiterv1.Provider{}
	for name, tc := range map[string]struct {
		reported bool
		want     money.Nanos
	}{"it does": {true, 12_345_679}, "it does not": {false, 0}} {
		t.Run(name, func(t *testing.T) {
			provider.CostReported = tc.reported
			model := maxi
			model.Billing = provider.Billing(time.Time{})
			request, err := protocol.ChatCompletions{}.Read(incoming(chatRequestBody))
			if err != nil {
				t.Fatal(err)
			}
			call, err := request.For(model, protocol.OutputLimits{})
			if err != nil {
				t.Fatal(err)
			}
			read := call.Whole()
			read.Pass([]byte(answer))
			read.End(false)
			usage, ok := read.Usage()
			cost, _ := model.Prices.Cost(usage)
			if ok != tc.reported || ok && cost != tc.want || !ok && protocol.Doubt(read) == "" {
				t.Errorf("got %+v, %t, which costs %s; doubt %q", usage, ok, cost, protocol.Doubt(read))
			}
		})
	}
}

// TestBoundOfCacheWrites: a call is held at the price of what is written to the cache, where
// the model has one; one that asks for that needs a model with one.
func TestBoundOfCacheWrites(t *testing.T) {
	writes := priced(mini, price.CacheWrite5m, 2*money.USD)
	tiers := writes
	tiers.Prices = price.Book{price.Default: writes.Prices[price.Default], "flex": mini.Prices[price.Default]}
	const marked = `{"model":"mini","max_tokens":1,"messages":[{"role":"user","content":[{"type":"text","text":"hi","prompt_cache_breakpoint":{"mode":"explicit"}},{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}],"prompt_cache_options":{"mode":"explicit","ttl":"30m"}}`
	for name, tc := range map[string]struct {
		body     string
		model    limiterv1.Model
		perInput money.Nanos
		unpriced int
	}{
		"with a price":             {`{"model":"mini","max_tokens":1,"messages":[]}`, writes, 2000, 0},
		"without":                  {`{"model":"mini","max_tokens":1,"messages":[]}`, mini, 1000, 0},
		"asked for, with a price":  {marked, writes, 2000, 0},
		"asked for, without":       {marked, mini, 1000, 3},
		"a tier without":           {`{"model":"mini","max_tokens":1,"service_tier":"flex","messages":[]}`, tiers, 2000, 0},
		"for an hour, with one":    {strings.Replace(marked, `"ephemeral"`, `"ephemeral","ttl":"1h"`, 1), writes, 2000, 1},
		"for minutes, with one":    {strings.Replace(marked, `"ephemeral"`, `"ephemeral","ttl":"5m"`, 1), writes, 2000, 0},
		"something else beside it": {strings.Replace(marked, `"mode":"explicit","ttl"`, `"mode":"explicit","zz"`, 1), writes, 2000, 1},
	} {
		t.Run(name, func(t *testing.T) {
			request := read(t, tc.body)
			unpriced := 0
			for _, u := range request.Unpriced() {
				if u.For(tc.model) {
					unpriced++
				}
			}
			call, err := request.For(tc.model, protocol.OutputLimits{})
			if want := tc.perInput*money.Nanos(len(tc.body)) + 1_000_000; err != nil || unpriced != tc.unpriced || call.Cost != want {
				t.Errorf("got %s, %v and %d unpriced; want %s and %d", call.Cost, err, unpriced, want, tc.unpriced)
			}
		})
	}
}

// TestRequestsOfCompatibleClients: what costs nothing beside tokens is let through.
func TestRequestsOfCompatibleClients(t *testing.T) {
	chat := func(members string) string {
		return `{"model":"maxi","messages":[{"role":"user","content":"hi"}],` + members + `}`
	}
	said := func(message string) string { return `{"model":"maxi","messages":[` + message + `]}` }
	for name, body := range map[string]string{
		"empty lists":        chat(`"tools":[],"plugins":[],"models":[],"data_sources":[],"transforms":[],"modalities":[]`),
		"nulls":              chat(`"plugins":null,"web_search_options":null,"prediction":null,"zz":null,"max_tokens":null,"n":null,"tools":null`),
		"no search":          chat(`"enable_search":false`),
		"Qwen's thoughts":    chat(`"enable_thinking":false,"thinking_budget":5,"top_k":20`),
		"Gemini's thoughts":  chat(`"extra_body":{"google":{"thinking_config":{"include_thoughts":true}}}`),
		"Magistral's":        said(`{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}],"closed":true},{"type":"text","text":"x"}]}`),
		"Mistral's image":    said(`{"role":"user","content":[{"type":"image_url","image_url":"data:image/png;base64,AAAA"}]}`),
		"no parts":           said(`{"role":"user","content":[]}`),
		"what was said":      said(`{"role":"assistant","content":"x","refusal":null,"audio":null,"function_call":null,"reasoning_content":"r"}`),
		"OpenRouter's usage": chat(`"usage":{"include":true}`),
		"marks of the cache": said(`{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}`),
	} {
		t.Run(name, func(t *testing.T) {
			request, err := protocol.ChatCompletions{}.Read(incoming(body))
			if err != nil {
				t.Fatal(err)
			}
			for _, unpriced := range request.Unpriced() {
				if unpriced.For(maxi) {
					t.Errorf("unpriced: %v", &unpriced.RequestError)
				}
			}
			model := maxi
			model.ContextWindow = 1000
			if _, err := request.For(model, protocol.OutputLimits{}); err != nil {
				t.Error(err)
			}
		})
	}
}
