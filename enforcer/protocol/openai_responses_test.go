package protocol_test

import (
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

func TestResponsesBound(t *testing.T) {
	checkBounded(t, protocol.Responses{}, "/responses", map[string]bounded{
		"the least": {
			`{"model":"maxi","input":"hi"}`, 0,
			`{"max_output_tokens":100,"model":"maxi-2026","input":"hi"}`, price.Usage{CacheWrite5m: length, Output: 100},
		},
		"a bound, messages and functions": {
			`{"model":"maxi","max_output_tokens":7,"input":[{"role":"user","content":"hi"},{"type":"message","role":"user","content":[{"type":"input_text","text":"a"}]},{"type":"function_call","arguments":"{}"},{"type":"function_call_output","output":"x"}],"tools":[{"type":"function","name":"f"}]}`, 0,
			`{"model":"maxi-2026","max_output_tokens":7,"input":[{"role":"user","content":"hi"},{"type":"message","role":"user","content":[{"type":"input_text","text":"a"}]},{"type":"function_call","arguments":"{}"},{"type":"function_call_output","output":"x"}],"tools":[{"type":"function","name":"f"}]}`,
			price.Usage{CacheWrite5m: length, Output: 7},
		},
		"an earlier response, with a window": {
			`{"model":"maxi","max_output_tokens":7,"input":"hi","previous_response_id":"resp_1"}`, 5000,
			`{"model":"maxi-2026","max_output_tokens":7,"input":"hi","previous_response_id":"resp_1"}`, price.Usage{CacheWrite5m: 5000, Output: 7},
		},
		"reasoning of earlier, with a window": {
			`{"model":"maxi","max_output_tokens":7,"input":[{"type":"reasoning","id":"rs_1"}]}`, 5000,
			`{"model":"maxi-2026","max_output_tokens":7,"input":[{"type":"reasoning","id":"rs_1"}]}`, price.Usage{CacheWrite5m: 5000, Output: 7},
		},
		"searches, with a window": {
			`{"model":"maxi","max_output_tokens":7,"max_tool_calls":2,"input":"hi","tools":[{"type":"web_search","external_web_access":true,"filters":{"allowed_domains":["a.b"]}}]}`, 5000,
			`{"model":"maxi-2026","max_output_tokens":7,"max_tool_calls":2,"input":"hi","tools":[{"type":"web_search","external_web_access":true,"filters":{"allowed_domains":["a.b"]}}]}`,
			price.Usage{CacheWrite5m: 3 * 5000, Output: 7, Uses: "web_search=2"},
		},
		"no searches after all": {
			`{"model":"maxi","max_output_tokens":7,"max_tool_calls":0,"input":"hi","tools":[{"type":"web_search_preview"}]}`, 5000,
			`{"model":"maxi-2026","max_output_tokens":7,"max_tool_calls":0,"input":"hi","tools":[{"type":"web_search_preview"}]}`,
			price.Usage{CacheWrite5m: length + 1500, Output: 7},
		},
		"audio": {
			`{"model":"maxi","max_output_tokens":7,"input":[{"role":"user","content":[{"type":"input_audio"}]}]}`, 5000,
			`{"model":"maxi-2026","max_output_tokens":7,"input":[{"role":"user","content":[{"type":"input_audio"}]}]}`, price.Usage{AudioInput: 5000, Output: 7},
		},
	})
}

func TestResponsesRefuse(t *testing.T) {
	with := func(members string) string { return `{"model":"maxi","input":"hi",` + members + `}` }
	item := func(i string) string { return `{"model":"maxi","input":[` + i + `]}` }
	checkRefused(t, protocol.Responses{}, map[string]refused{
		"not JSON":             {`{`, "", false, "not valid JSON"},
		"no model":             {`{"input":"hi"}`, "model", false, "must be"},
		"two models":           {with(`"model":"dear"`), "model", false, "twice"},
		"two bounds":           {with(`"max_output_tokens":1,"max_output_tokens":2`), "max_output_tokens", false, "twice"},
		"too high a bound":     {with(`"max_output_tokens":101`), "max_output_tokens", false, "maximum of 100"},
		"later":                {with(`"background":true`), "background", true, "usage is not reported"},
		"a provider's tool":    {with(`"tools":[{"type":"file_search"}]`), "tools[0].type", true, "use "},
		"searches, unbounded":  {with(`"tools":[{"type":"web_search"}]`), "tools[0].type", true, "the request has no max_tool_calls"},
		"searches, no number":  {with(`"max_tool_calls":"3","tools":[{"type":"web_search"}]`), "max_tool_calls", false, "whole number"},
		"less than no tools":   {with(`"max_tool_calls":-1`), "max_tool_calls", false, "whole number"},
		"searches, no window":  {with(`"max_tool_calls":3,"tools":[{"type":"web_search"}]`), "", true, "a tool that the provider runs"},
		"of a search, unknown": {with(`"max_tool_calls":3,"tools":[{"type":"web_search","zz":1}]`), "tools[0].zz", true, "not known"},
		"a stored prompt":      {with(`"prompt":{"id":"p"}`), "prompt", true, "cannot be bounded"},
		"compaction":           {with(`"context_management":[{"type":"compaction"}]`), "context_management", true, "context compaction"},
		"a tier of no price":   {with(`"service_tier":"flex"`), "", false, "no price for service tier"},
		"an earlier response":  {with(`"previous_response_id":"r"`), "", true, "contextWindow"},
		"a conversation":       {with(`"conversation":"c"`), "", true, "contextWindow"},
		"input of a number":    {`{"model":"maxi","input":1}`, "input", false, "must be"},
		"an item of text":      {item(`"hi"`), "input[0]", false, "must be an object"},
		"an unknown item":      {item(`{"type":"file_search_call"}`), "input[0].type", true, "use messages"},
		"an earlier search":    {item(`{"type":"web_search_call"}`), "", true, "an item of an earlier response"},
		"a reference, untyped": {item(`{"id":"i"}`), "", true, "an item of an earlier response"},
		"an unknown part":      {item(`{"content":[{"type":"video"}]}`), "input[0].content[0].type", true, "use "},
		"an image":             {item(`{"content":[{"type":"input_image","image_url":"https://a/b"}]}`), "", true, "an image"},
		"a tool's file":        {item(`{"type":"function_call_output","output":[{"type":"input_file"}]}`), "", true, "a file"},
		"a reference":          {item(`{"type":"item_reference","id":"i"}`), "", true, "an item of an earlier response"},
	})
}

func TestResponsesUsage(t *testing.T) {
	const usage = `"usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":20,"output_tokens_details":{"reasoning_tokens":5},"total_tokens":30}`
	used := price.Usage{Input: 6, CachedInput: 4, Output: 20, Reasoning: 5}
	inPriority := used
	inPriority.ServiceTier = "priority"
	checkAnswered(t, protocol.Responses{}, `{"model":"maxi","input":"hi"}`, false, map[string]answered{
		"usage":         {`{"id":"resp_1",` + usage + `}`, false, used, true, false},
		"in a tier":     {`{"service_tier":"priority",` + usage + `}`, false, inPriority, true, false},
		"zero":          {`{"usage":{"input_tokens":0,"output_tokens":0}}`, false, price.Usage{}, false, false},
		"none":          {`{"usage":null}`, false, price.Usage{}, false, false},
		"negative":      {`{"usage":{"input_tokens":1,"output_tokens":-1}}`, false, price.Usage{}, false, false},
		"more cached":   {`{"usage":{"input_tokens":1,"input_tokens_details":{"cached_tokens":2},"output_tokens":1}}`, false, price.Usage{}, false, false},
		"deeper in":     {`{"output":[{` + usage + `}]}`, false, price.Usage{}, false, false},
		"cut":           {`{` + usage + `}`, true, price.Usage{}, false, true},
		"not to an end": {`{` + usage, false, price.Usage{}, false, false},
	})
	const created = `event: response.created` + "\n" + `data: {"type":"response.created","response":{"status":"in_progress","usage":null}}` + "\n\n"
	const delta = `event: response.output_text.delta` + "\n" + `data: {"type":"response.output_text.delta","delta":"\"usage\" \"response."}` + "\n\n"
	last := func(kind string) string {
		return "event: " + kind + "\n" + `data: {"type":"` + kind + `","response":{"service_tier":"default",` + usage + `}}` + "\n\n"
	}
	checkAnswered(t, protocol.Responses{}, `{"model":"maxi","input":"hi","stream":true}`, true, map[string]answered{
		"completed":          {created + delta + last("response.completed"), false, used, true, false},
		"incomplete":         {created + delta + last("response.incomplete"), false, used, true, false},
		"failed":             {created + delta + last("response.failed"), false, used, true, false},
		"twice":              {created + delta + last("response.completed") + last("response.completed"), false, used, true, false},
		"cut after its end":  {created + delta + last("response.completed"), true, used, true, false},
		"cut":                {created + delta, true, price.Usage{}, false, true},
		"ends too early":     {created + delta, false, price.Usage{}, false, true},
		"without usage":      {`data: {"type":"response.completed","response":{"usage":null}}` + "\n\n", false, price.Usage{}, false, false},
		"of another's event": {`data: {"type":"response.created","response":{` + usage + `}}` + "\n\n", false, price.Usage{}, false, true},
		"an error":           {created + `event: error` + "\n" + `data: {"type":"error","code":"x"}` + "\n\n", false, price.Usage{}, false, true},
	})
}

func TestResponsesMessage(t *testing.T) {
	checkMessage(t, protocol.Responses{}, `{"model":"maxi","input":"hi"}`, false)
	checkMessage(t, protocol.Responses{}, `{"model":"maxi","input":"hi","stream":true}`, true)
}

// TestSearchesOfResponses: searches on the web cost the model's fee, as often as there were
// any in the answer. Pages that the model opens cost nothing.
func TestSearchesOfResponses(t *testing.T) {
	const (
		search = `{"type":"web_search_call","status":"completed","action":{"type":"search","query":"q"}}`
		opened = `{"type":"web_search_call","status":"completed","action":{"type":"open_page","url":"u"}},{"type":"web_search_call","action":{"type":"find_in_page"}}`
		said   = `{"type":"message","content":[{"type":"output_text","text":"\"web_search_call\""}]}`
		usage  = `"usage":{"input_tokens":10,"output_tokens":20}}`
		told   = `"tool_usage":{"web_search":{"num_requests":3}},`
		drawn  = `"tool_usage":{"web_search":{"num_requests":3},"image_gen":{"input_tokens":1}},`
	)
	body := func(more string) string { return `{"model":"maxi","input":"hi"` + more + `}` }
	used := func(uses price.Uses) price.Usage { return price.Usage{Input: 10, Output: 20, Uses: uses} }
	whole := func(items, more string) string { return `{"output":[` + items + `],` + more + usage }
	long := `{"type":"message","content":[{"type":"output_text","text":"` + strings.Repeat("x", 9000) + `"}]},`
	checkAnswered(t, protocol.Responses{}, body(""), false, map[string]answered{
		"two":                   {whole(search+","+opened+","+search+","+said, ""), false, used("web_search=2"), true, false},
		"none":                  {whole(opened+","+said, ""), false, used(""), true, false},
		"an action that is new": {whole(`{"type":"web_search_call","action":{"type":"zz"}},`+said, ""), false, used("web_search=1"), true, false},
		"without its action":    {whole(`{"type":"web_search_call"},`+said, ""), false, used("web_search=1"), true, false},
		"more are told":         {whole(search+","+said, told), false, used("web_search=3"), true, false},
		"and something else":    {whole(search+","+said, drawn), false, price.Usage{}, false, false},
		"no number":             {whole(said, `"tool_usage":{"web_search":{"num_requests":"3"}},`), false, price.Usage{}, false, false},
	})
	model := maxi
	model.ContextWindow = 5000
	request, err := protocol.Responses{}.Read(incoming(body(`,"max_tool_calls":5,"tools":[{"type":"web_search"}]`)))
	if err != nil {
		t.Fatal(err)
	}
	call, err := request.For(model, protocol.OutputLimits{})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ items, uses string }{
		"long":          {long + search, "web_search=1"},
		"much too long": {strings.Repeat(long, 120) + search, "web_search=5"},
	} {
		answer := call.Whole()
		answer.Pass([]byte(whole(tc.items, "")))
		answer.End(false)
		if got, ok := answer.Usage(); !ok || got != used(price.Uses(tc.uses)) {
			t.Errorf("%s: got %+v, %t, want %s", name, got, ok, tc.uses)
		}
	}
	event := func(kind, members string) string { return `data: {"type":"` + kind + `",` + members + "}\n\n" }
	done := event("response.output_item.done", `"item":`+search)
	checkAnswered(t, protocol.Responses{}, body(`,"stream":true`), true, map[string]answered{
		"by its events": {done + done + event("response.completed", `"response":`+whole("", "")), false, used("web_search=2"), true, false},
		"told twice":    {strings.Repeat(event("response.output_item.done", `"item":{"id":"a","type":"web_search_call"}`), 2) + event("response.completed", `"response":`+whole("", "")), false, used("web_search=1"), true, false},
		"by its end":    {event("response.completed", `"response":`+whole(search+","+said, "")), false, used("web_search=1"), true, false},
		"by both":       {done + event("response.completed", `"response":`+whole(search+","+said, "")), false, used("web_search=1"), true, false},
		"cut":           {done, true, price.Usage{}, false, true},
	})
}

// TestSearchesAsTheFeeSays: where a request does not bound its searches, the fee does, and the
// provider is told; a call that cannot search holds nothing for searches.
func TestSearchesAsTheFeeSays(t *testing.T) {
	model := maxi
	model.ContextWindow = 5000
	tariff := model.Prices[price.Default]
	tariff.AnyCallUses = "web_search=4"
	model.Prices = price.Book{price.Default: tariff}
	for name, tc := range map[string]struct {
		members, sent string
		uses          price.Uses
	}{
		"unbounded": {`,"tools":[{"type":"web_search"}]`, `"max_tool_calls":4,`, "web_search=4"},
		"bounded":   {`,"tools":[{"type":"web_search"}],"max_tool_calls":9`, ``, "web_search=9"},
		"of a turn": {`,"input":[{"type":"additional_tools","tools":[{"type":"web_search"}]}]`, `"max_tool_calls":4,`, "web_search=4"},
		"no search": {`,"tools":[{"type":"function","name":"f"}]`, ``, ""},
	} {
		t.Run(name, func(t *testing.T) {
			body := `{"model":"maxi","max_output_tokens":7` + tc.members + `}`
			request, err := protocol.Responses{}.Read(incoming(body))
			if err != nil {
				t.Fatal(err)
			}
			for _, unpriced := range request.Unpriced() {
				if unpriced.For(model) {
					t.Errorf("unpriced: %+v", unpriced)
				}
			}
			call, err := request.For(model, protocol.OutputLimits{})
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Replace(body, `{"model":"maxi"`, `{`+tc.sent+`"model":"maxi-2026"`, 1)
			if string(call.Body()) != want || call.Bound.Uses != tc.uses {
				t.Errorf("sent on:\n%s, uses %s; want\n%s, %s", call.Body(), call.Bound.Uses, want, tc.uses)
			}
			counts, err := tc.uses.Counts()
			if err != nil {
				t.Fatal(err)
			}
			tokens := call.Bound
			tokens.Uses = price.AtMost(map[string]int64{"web_search": 0})
			alone, err := model.Prices.Dearest(tokens)
			if err != nil {
				t.Fatal(err)
			}
			if held := call.Cost - alone; held != money.Cent*money.Nanos(counts["web_search"]) {
				t.Errorf("held for searches: %s, want %d cents", held, counts["web_search"])
			}
			cut, err := call.Dearest(price.Usage{Input: 1, Output: 1, Uses: price.UsesOf(counts)})
			if least := money.Cent * money.Nanos(counts["web_search"]); err != nil || cut < least || cut >= least+money.Cent {
				t.Errorf("a cut call costs %s, %v, want %s and its tokens", cut, err, least)
			}
		})
	}
}
