package protocol_test

import (
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// TestCompactBound: to make short what was said, the model may read all of its window and
// write as much as it ever does, whatever the request and the tenant's caps say.
func TestCompactBound(t *testing.T) {
	want := price.Usage{CacheWrite5m: 5000, Output: 100}
	cases := map[string]bounded{}
	for name, body := range map[string]string{
		"a conversation": `{"model":"maxi","input":[{"role":"user","content":"hi"},{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"x"},{"type":"web_search_call","id":"ws_1","action":{"type":"search"}}]}`,
		"an earlier one": `{"model":"maxi","previous_response_id":"resp_1","input":null}`,
		"Codex's": `{"model":"maxi","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]}],"instructions":"i","tools":[{"type":"function","name":"f"},{"type":"web_search"}],` +
			`"parallel_tool_calls":true,"reasoning":{"effort":"low","summary":"auto"},"service_tier":"default","prompt_cache_key":"k","text":{"verbosity":"low"}}`,
	} {
		cases[name] = bounded{body, 5000, strings.Replace(body, `"maxi"`, `"maxi-2026"`, 1), want}
	}
	checkBounded(t, protocol.Compact{}, "/responses/compact", cases)
	const trigger = `{"model":"maxi","input":[{"role":"user","content":"hi"},{"type":"configuration_update","reasoning":{"effort":"low"}},{"type":"compaction_trigger"}],"stream":true`
	checkBounded(t, protocol.Responses{}, "/responses", map[string]bounded{
		"in a response":     {trigger + `}`, 5000, strings.Replace(trigger, `"maxi"`, `"maxi-2026"`, 1) + `}`, want},
		"with a bound":      {trigger + `,"max_output_tokens":20}`, 5000, strings.Replace(trigger, `"maxi"`, `"maxi-2026"`, 1) + `,"max_output_tokens":20}`, want},
		"with searches too": {trigger + `,"tools":[{"type":"web_search"}],"max_tool_calls":2}`, 5000, strings.Replace(trigger, `"maxi"`, `"maxi-2026"`, 1) + `,"tools":[{"type":"web_search"}],"max_tool_calls":2}`, price.Usage{CacheWrite5m: 15000, Output: 100, Uses: "web_search=2"}},
	})
}

func TestCompactIsNotLowered(t *testing.T) {
	for name, endpoint := range map[string]protocol.Endpoint{
		`{"model":"maxi","input":"hi"}`: protocol.Compact{}, `{"model":"maxi","input":[{"type":"compaction_trigger"}]}`: protocol.Responses{},
	} {
		request, err := endpoint.Read(incoming(name))
		if err != nil {
			t.Fatal(err)
		}
		model := maxi
		model.ContextWindow = 5000
		call, err := request.For(model, protocol.OutputLimits{Assumed: 10, Cap: 20})
		if err != nil || call.Output != (protocol.OutputBound{}) || call.Bound.Output != 100 || !call.Hidden || strings.Contains(string(call.Body()), "max_output_tokens") {
			t.Errorf("got %+v, %v", call, err)
		}
		if _, ok := request.Message(protocol.Text{Content: "no"}); ok {
			t.Error("a text is taken for a compaction")
		}
	}
}

func TestCompactRefuse(t *testing.T) {
	with := func(members string) string { return `{"model":"maxi",` + members + `}` }
	checkRefused(t, protocol.Compact{}, map[string]refused{
		"no window":       {with(`"input":"hi"`), "", true, "a compaction"},
		"a bound":         {with(`"max_output_tokens":7`), "max_output_tokens", true, "not known"},
		"a stream":        {with(`"stream":true`), "stream", true, "not known"},
		"a conversation":  {with(`"conversation":"c"`), "conversation", true, "not known"},
		"the pro mode":    {with(`"reasoning":{"mode":"pro"}`), "reasoning.mode", true, "beyond"},
		"an unknown tool": {with(`"tools":[{"type":"code_interpreter"}]`), "tools[0].type", true, "the client runs"},
	})
}

func TestCompactUsage(t *testing.T) {
	const compaction = `{"id":"resp_1","object":"response.compaction","created_at":1,"output":[{"id":"m","type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]},` +
		`{"type":"web_search_call","action":{"type":"search"}},{"id":"c","type":"compaction","encrypted_content":"x"}],"usage":%}`
	const usage = `{"input_tokens":50,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":6},"output_tokens":20,"output_tokens_details":{"reasoning_tokens":5},"total_tokens":70}`
	answer := func(usage string) string { return strings.Replace(compaction, "%", usage, 1) }
	checkAnswered(t, protocol.Compact{}, `{"model":"maxi","input":"hi"}`, false, map[string]answered{
		"as it is":  {answer(usage), false, price.Usage{Input: 40, CachedInput: 4, CacheWrite5m: 6, Output: 20, Reasoning: 5}, true, false},
		"no usage":  {answer("null"), false, price.Usage{}, false, false},
		"no output": {answer(`{"input_tokens":50,"output_tokens":0,"total_tokens":50}`), false, price.Usage{}, false, false},
		"cut":       {answer(usage)[:40], true, price.Usage{}, false, true},
	})
}
