package protocol_test

import (
	"testing"

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
		"a provider's tool":    {with(`"tools":[{"type":"web_search"}]`), "tools[0].type", true, "use "},
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
