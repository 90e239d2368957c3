package protocol_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

func TestMessagesBound(t *testing.T) {
	request := func(messages, more string) string {
		return `{"model":"maxi","max_tokens":7,"messages":[` + messages + `]` + more + `}`
	}
	upstream := func(messages, more string) string {
		return strings.Replace(request(messages, more), `"maxi"`, `"maxi-2026"`, 1)
	}
	user := func(blocks string) string { return `{"role":"user","content":[` + blocks + `]}` }
	const picture = `{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aaaaaaaa"}}`
	cases := map[string]bounded{}
	for name, tc := range map[string]struct {
		messages, more string
		window         int64
		want           price.Usage
	}{
		"the least":             {"", "", 0, price.Usage{Input: length}},
		"text":                  {`{"role":"user","content":"hi"},` + user(`{"type":"text","text":"x"}`), `,"system":[{"type":"text","text":"be brief"}]`, 0, price.Usage{Input: length}},
		"what is never cached":  {user(`{"type":"text","text":"é"}`), `,"metadata":{"user_id":"u"}`, 0, price.Usage{Input: length}},
		"to the cache":          {user(`{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}`), "", 0, price.Usage{CacheWrite5m: length}},
		"for an hour":           {user(`{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"1h"}}`), "", 0, price.Usage{CacheWrite1h: length}},
		"in an escape":          {user(`{"type":"text","text":"x","\u0063ache_control":{"type":"ephemeral","\u0074tl":"1\u0068"}}`), "", 0, price.Usage{CacheWrite1h: length}},
		"another escape":        {user(`{"type":"text","text":"caf\u00e9"}`), "", 0, price.Usage{Input: length}},
		"five minutes, and so":  {user(`{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"5m"}}`), `,"metadata":{"user_id":"1h"}`, 0, price.Usage{CacheWrite5m: length}},
		"an unknown lifetime":   {user(`{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"24h"}}`), "", 0, price.Usage{CacheWrite1h: length}},
		"one of many, an hour":  {user(`{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}`), `,"tools":[{"name":"f","cache_control":{"ttl":"1h"}},{"name":"g","cache_control":{"type":"ephemeral"}}]`, 0, price.Usage{CacheWrite1h: length + 1024}},
		"no lifetime at all":    {user(`{"type":"text","text":"x","cache_control":null}`), "", 0, price.Usage{Input: length}},
		"tools":                 {"", `,"tools":[{"name":"f","input_schema":{}},{"type":"custom","name":"g"}]`, 0, price.Usage{Input: length + 1024}},
		"tools that it knows":   {"", `,"tools":[{"type":"bash_20250124","name":"bash"},{"type":"computer_20250124","name":"c"}]`, 0, price.Usage{Input: length + 1024 + 3000}},
		"an image":              {user(picture), "", 0, price.Usage{Input: length + 4784 - 10}},
		"an image of a tool":    {user(`{"type":"tool_result","tool_use_id":"t","content":[` + picture + `]}`), "", 0, price.Usage{Input: length + 4784 - 10}},
		"an image by its URL":   {user(`{"type":"image","source":{"type":"url","url":"https://a/b"}}`), "", 0, price.Usage{Input: length + 4784}},
		"a document of text":    {user(`{"type":"document","source":{"type":"text","data":"x"}}`), "", 0, price.Usage{Input: length}},
		"citations":             {user(`{"type":"document","source":{"type":"text","data":"x"},"citations":{"enabled":true}}`), "", 5000, price.Usage{Input: 5000}},
		"citations, of results": {user(`{"type":"search_result","source":"s","title":"t","content":[],"citations":{"enabled":true}}`), "", 5000, price.Usage{Input: 5000}},
		"cited":                 {user(`{"type":"text","text":"x","citations":[{"type":"char_location"}]}`), "", 5000, price.Usage{Input: length}},
		"pages, with a window":  {user(`{"type":"document","source":{"type":"base64","data":"x"}}`), "", 5000, price.Usage{Input: 5000}},
		"thinking and tool use": {user(`{"type":"thinking","thinking":"x","signature":"y"},{"type":"tool_use","id":"t","name":"f","input":{}}`), "", 0, price.Usage{Input: length}},
		"what costs nothing":    {"", `,"speed":"standard","inference_geo":"global","service_tier":"auto","context_management":{"edits":[{"type":"clear_tool_uses_20250919"}]}`, 0, price.Usage{Input: length, Properties: "inference_geo=&speed="}},
		"nothing, in many ways": {"", `,"mcp_servers":[],"container":null,"inference_geo":null,"fallbacks":[],"context_management":{"edits":[]}`, 0, price.Usage{Input: length}},
		"another place":         {"", `,"inference_geo":"us"`, 0, price.Usage{Input: length, Properties: "inference_geo=us"}},
		"haste, here":           {"", `,"inference_geo":"global","speed":"fast"`, 0, price.Usage{Input: length, Properties: "inference_geo=&speed=fast"}},
		"searches":              {"", `,"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":3}]`, 5000, price.Usage{CacheWrite5m: 4 * 5000, Uses: "web_search=3"}},
		"many searches":         {"", `,"tools":[{"type":"web_search_20260209","name":"web_search","max_uses":30},{"type":"web_fetch_20250910","name":"web_fetch","max_uses":2}]`, 5000, price.Usage{CacheWrite5m: 10 * 5000, Uses: "web_fetch=2&web_search=30"}},
		"a reference to a tool": {user(`{"type":"tool_result","tool_use_id":"t","content":[{"type":"tool_reference","tool_name":"f"},{"type":"tool_reference","tool_name":"f"}]}`), `,"tools":[{"name":"f"},{"name":"longer"}]`, 0, price.Usage{Input: length + 1024 + 2*17}},
		"found among the tools": {user(`{"type":"tool_search_tool_result","tool_use_id":"t","content":{"type":"tool_search_tool_search_result","tool_references":[{"type":"tool_reference","tool_name":"f"}]}}`), `,"tools":[{"name":"f"}]`, 0, price.Usage{Input: length + 1024 + 12}},
		"a search among tools":  {"", `,"tools":[{"type":"tool_search_tool_regex_20251119","name":"tool_search_tool_regex"}]`, 1000, price.Usage{CacheWrite5m: 10 * 1000}},
		"a thread begins":       {"", `,"thread":{"type":"create"}`, 0, price.Usage{Input: length}},
		"a thread goes on":      {"", `,"thread":{"type":"continue","previous_message_id":"msg_1"}`, 5000, price.Usage{CacheWrite1h: 5000}},
		"no thread":             {"", `,"thread":null`, 0, price.Usage{Input: length}},
		"what a server ran":     {user(`{"type":"server_tool_use","id":"s","name":"web_search","input":{}},{"type":"web_search_tool_result","tool_use_id":"s","content":[]}`), "", 5000, price.Usage{Input: 5000}},
	} {
		tc.want.Output = 7
		cases[name] = bounded{request(tc.messages, tc.more), tc.window, upstream(tc.messages, tc.more), tc.want}
	}
	const warmUp = `{"model":"maxi","max_tokens":0,"messages":[]}`
	cases["nothing but the cache"] = bounded{warmUp, 0, strings.Replace(warmUp, `"maxi"`, `"maxi-2026"`, 1), price.Usage{Input: length}}
	checkBounded(t, protocol.Messages{}, "/messages", cases)
}

// TestMessagesWithoutAPriceForWrites: where a model has no price for what is written
// to its cache, it is held for as input, and a usage that has some charges the hold.
func TestMessagesWithoutAPriceForWrites(t *testing.T) {
	request, err := protocol.Messages{}.Read(incoming(`{"model":"mini","max_tokens":7,"messages":[],"system":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if call, err := request.For(mini, protocol.OutputLimits{}); err != nil || call.Bound.Input == 0 || call.Bound.CacheWrite5m != 0 {
		t.Errorf("got %+v, %v", call.Bound, err)
	}
}

// TestMessagesThreadOfFiveMinutes: a model without a price of writing for an hour has no thread
// in which something was.
func TestMessagesThreadOfFiveMinutes(t *testing.T) {
	request, err := protocol.Messages{}.Read(incoming(`{"model":"maxi","max_tokens":7,"messages":[],"thread":{"type":"continue","previous_message_id":"msg_1"}}`))
	if err != nil {
		t.Fatal(err)
	}
	model := maxi
	tariff := maxi.Prices[price.Default]
	tariff.Base = maps.Clone(tariff.Base)
	delete(tariff.Base, price.CacheWrite1h)
	model.ContextWindow, model.Prices = 5000, price.Book{price.Default: tariff}
	if call, err := request.For(model, protocol.OutputLimits{}); err != nil || call.Bound.CacheWrite5m != 5000 {
		t.Errorf("got %+v, %v; want all 5000 tokens written for five minutes", call.Bound, err)
	}
	if !protocol.Refers(request) {
		t.Error("a thread that the provider does not find is taken for a failure of the provider")
	}
}

// TestMessagesToolsWithoutMaxUses: what the request does not bound, the fee does, and the
// provider is told so.
func TestMessagesToolsWithoutMaxUses(t *testing.T) {
	model := maxi
	tariff := maxi.Prices[price.Default]
	tariff.AnyCallUses = "web_search=4"
	model.ContextWindow, model.Prices = 100, price.Book{price.Default: tariff}
	const search, fetch = `{"type":"web_search_20250305","name":"web_search"}`, `{"type":"web_fetch_20250910","name":"web_fetch","max_uses":2}`
	for name, tc := range map[string]struct {
		tools, sent string
		want        price.Uses
		cost        int64
		refuses     bool
	}{
		"a search":            {search, `{"max_uses":4,"type":"web_search_20250305","name":"web_search"}`, "web_search=4", 4, false},
		"no number":           {`{"type":"web_search_20250305", "max_uses" : null}`, `{"type":"web_search_20250305", "max_uses" : 4}`, "web_search=4", 4, false},
		"a bound of its own":  {`{"type":"web_search_20250305","max_uses":9}`, `{"type":"web_search_20250305","max_uses":9}`, "web_search=9", 9, false},
		"beside another tool": {fetch + `, ` + search, fetch + `, {"max_uses":4,"type":"web_search_20250305","name":"web_search"}`, "web_fetch=2&web_search=4", 4, false},
		"two searches":        {search + `,{"type":"web_search_20260209","max_uses":1}`, `{"max_uses":4,"type":"web_search_20250305","name":"web_search"},{"type":"web_search_20260209","max_uses":1}`, "web_search=5", 5, false},
		"a fee without uses":  {`{"type":"web_fetch_20250910"}`, "", "", 0, true},
		"no search":           {`{"name":"f"}`, `{"name":"f"}`, "", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			body := func(tools string) string {
				return `{"model":"maxi-2026","max_tokens":7,"tools":[` + tools + `],"messages":[]}`
			}
			request, err := protocol.Messages{}.Read(incoming(body(tc.tools)))
			if err != nil {
				t.Fatal(err)
			}
			for _, unpriced := range request.Unpriced() {
				if unpriced.For(model) != tc.refuses || tc.refuses && !unpriced.Unbounded {
					t.Errorf("unpriced %+v, want it to be %t", unpriced, tc.refuses)
				}
			}
			if tc.refuses {
				return
			}
			call, err := request.For(model, protocol.OutputLimits{})
			if err != nil || string(call.Body()) != body(tc.sent) || call.Bound.Uses != tc.want {
				t.Fatalf("uses %q, sends %s, %v; want %q and %s", call.Bound.Uses, call.Body(), err, tc.want, body(tc.sent))
			}
			tokens := call.Bound
			tokens.Uses = "web_search=0"
			alone, err := model.Prices.Dearest(tokens)
			if held := call.Cost - alone; err != nil || held != money.Nanos(tc.cost)*money.Cent {
				t.Errorf("held %s for searches, %v; want %d cents", held, err, tc.cost)
			}
		})
	}
}

func TestMessagesRefuse(t *testing.T) {
	with := func(members string) string { return `{"model":"maxi","max_tokens":7,"messages":[],` + members + `}` }
	block := func(b string) string {
		return `{"model":"maxi","max_tokens":7,"messages":[{"role":"user","content":[` + b + `]}]}`
	}
	checkRefused(t, protocol.Messages{}, map[string]refused{
		"no bound":            {`{"model":"maxi","messages":[]}`, "max_tokens", false, "is required"},
		"two bounds":          {with(`"max_tokens":8`), "max_tokens", false, "twice"},
		"a bound below zero":  {`{"model":"maxi","max_tokens":-1,"messages":[]}`, "max_tokens", false, "whole number"},
		"too high a bound":    {`{"model":"maxi","max_tokens":101,"messages":[]}`, "max_tokens", false, "maximum of 100"},
		"no messages":         {`{"model":"maxi","max_tokens":7}`, "messages", false, "an array"},
		"no model":            {`{"max_tokens":7,"messages":[]}`, "model", false, "must be"},
		"a provider's tool":   {with(`"tools":[{"type":"code_execution_20250825","name":"code_execution"}]`), "tools[0].type", true, "the client runs"},
		"searches, unbounded": {with(`"tools":[{"type":"web_search_20250305","name":"web_search"}]`), "tools[0].type", true, "no bound without max_uses"},
		"searches, no number": {with(`"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":"3"}]`), "tools[0].max_uses", false, "whole number"},
		"no searches":         {with(`"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":0}]`), "tools[0].max_uses", false, "whole number"},
		"searches, no window": {with(`"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":3}]`), "", true, "a tool that the provider runs"},
		"searches, and not":   {with(`"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":3},{"type":"web_search_20250305","name":"web_search"}]`), "tools[1].type", true, "no bound without max_uses"},
		"a thread, no window": {with(`"thread":{"type":"continue","previous_message_id":"msg_1"}`), "thread", true, "its earlier messages are billed as input, which only a contextWindow bounds, and model maxi has none"},
		"a thread that runs":  {with(`"thread":{"type":"create"},"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":3}]`), "thread", true, "without a bound"},
		"a thread that finds": {with(`"thread":{"type":"create"},"tools":[{"type":"tool_search_tool_bm25","name":"tool_search_tool_bm25"}]`), "thread", true, "without a bound"},
		"a thread of a kind":  {with(`"thread":{"type":"fork"}`), "thread.type", true, "not known"},
		"a thread with more":  {with(`"thread":{"type":"create","ttl":"1h"}`), "thread.ttl", true, "not known"},
		"no thread at all":    {with(`"thread":"msg_1"`), "thread", false, "must be an object"},
		"servers of tools":    {with(`"mcp_servers":[{}]`), "mcp_servers", true, "cannot be bounded"},
		"haste of a kind":     {with(`"speed":"faster"`), "speed", true, "priced separately"},
		"a place":             {with(`"inference_geo":"cn"`), "inference_geo", true, "priced separately"},
		"a place of numbers":  {with(`"inference_geo":1`), "inference_geo", true, "priced separately"},
		"a tier of no price":  {with(`"service_tier":"flex"`), "", false, "no price for service tier"},
		"compaction":          {with(`"context_management":{"edits":[{"type":"compact_20260112"}]}`), "context_management.edits[0].type", true, "beyond max_tokens"},
		"a container":         {with(`"container":"c"`), "container", true, "separately"},
		"an unknown block":    {block(`{"type":"container_upload"}`), "messages[0].content[0].type", true, "use "},
		"a type twice":        {block(`{"type":"text","type":"image"}`), "messages[0].content[0].type", false, "twice"},
		"content twice":       {block(`{"type":"tool_result","content":"x","content":[]}`), "messages[0].content[0].content", false, "twice"},
		"an image of nothing": {block(`{"type":"image"}`), "messages[0].content[0].source", false, "an object"},
		"pages":               {block(`{"type":"document","source":{"type":"base64","data":"x"}}`), "", true, "a document"},
		"pages in a document": {block(`{"type":"document","source":{"type":"content","content":[{"type":"video"}]}}`), "messages[0].content[0].source.content[0].type", true, "use "},
		"system of a number":  {with(`"system":1`), "system", false, "must be"},
	})
}

func TestMessagesUsage(t *testing.T) {
	const start = "event: message_start\n" +
		`data: {"type":"message_start","message":{"usage":{"input_tokens":10,"cache_read_input_tokens":4,"cache_creation_input_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":3,"ephemeral_1h_input_tokens":2},"output_tokens":1,"service_tier":"standard"}}}` + "\n\n"
	const text = "event: content_block_delta\n" + `data: {"type":"content_block_delta","delta":{"text":"\"usage\" \"message_stop\""}}` + "\n\n"
	const running = `data: {"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":3}}` + "\n\n"
	const delta = "event: message_delta\n" + `data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":20}}` + "\n\n"
	const stop = "event: message_stop\n" + `data: {"type":"message_stop"}` + "\n\n"
	used := price.Usage{Input: 10, CachedInput: 4, CacheWrite5m: 3, CacheWrite1h: 2, Output: 20}
	corrected := used
	corrected.Input = 11
	const body = `{"model":"maxi","max_tokens":7,"messages":[]`
	checkAnswered(t, protocol.Messages{}, body+`,"stream":true}`, true, map[string]answered{
		"to its end":                   {start + text + delta + stop, false, used, true, false},
		"totals, not differences":      {start + running + running + delta + stop, false, used, true, false},
		"frames twice":                 {start + start + text + delta + delta + stop + stop, false, used, true, false},
		"the end corrects":             {start + strings.Replace(delta, `"output_tokens"`, `"input_tokens":11,"cache_read_input_tokens":null,"output_tokens"`, 1) + stop, false, corrected, true, false},
		"cut after its usage":          {start + text + delta, true, used, true, true},
		"cut after a running sum":      {start + running, true, price.Usage{}, false, true},
		"cut after its start":          {start + text, true, price.Usage{}, false, true},
		"ends too early":               {start + text, false, price.Usage{}, false, true},
		"an end without a usage":       {start + stop, false, price.Usage{}, false, false},
		"an end without message_stop":  {start + text + delta, false, used, true, false},
		"totals of nothing at the end": {start + strings.Replace(delta, `"output_tokens"`, `"input_tokens":0,"cache_read_input_tokens":0,"cache_creation_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens"`, 1) + stop, false, used, true, false},
		"an empty usage at the end":    {start + delta + strings.Replace(delta, "20", "0", 1) + stop, false, used, true, false},
		"all of it at the end": {`data: {"type":"message_start","message":{"usage":{"input_tokens":0,"output_tokens":0}}}` + "\n\n" +
			strings.Replace(delta, `"output_tokens"`, `"input_tokens":11,"cache_read_input_tokens":4,"output_tokens"`, 1) + stop, false, price.Usage{Input: 11, CachedInput: 4, Output: 20}, true, false},
		"divided at the end":    {start + strings.Replace(delta, `"output_tokens"`, `"input_tokens":2,"cache_read_input_tokens":12,"output_tokens"`, 1) + stop, false, price.Usage{Input: 2, CachedInput: 12, CacheWrite5m: 3, CacheWrite1h: 2, Output: 20}, true, false},
		"no reason, but an end": {start + running + stop, false, price.Usage{Input: 10, CachedInput: 4, CacheWrite5m: 3, CacheWrite1h: 2, Output: 3}, true, false},
		"another model's":       {strings.Replace(start, `"usage"`, `"model":"mini","usage"`, 1) + delta + stop, false, price.Usage{}, false, false},
		"without a start":       {delta + stop, false, price.Usage{}, false, false},
		"an error":              {start + "event: error\n" + `data: {"type":"error","error":{"type":"overloaded_error"}}` + "\n\n", false, price.Usage{}, false, true},
		"lines of CRLF":         {strings.ReplaceAll(start+delta+stop, "\n", "\r\n"), false, used, true, false},
	})
	checkAnswered(t, protocol.Messages{}, body+`}`, false, map[string]answered{
		"usage":                         {`{"content":[],"usage":{"input_tokens":10,"output_tokens":20}}`, false, price.Usage{Input: 10, Output: 20}, true, false},
		"written, without for how long": {`{"usage":{"input_tokens":10,"cache_creation_input_tokens":5,"output_tokens":20}}`, false, price.Usage{Input: 10, CacheWrite5m: 5, Output: 20}, true, false},
		"in a tier":                     {`{"usage":{"input_tokens":10,"output_tokens":20,"service_tier":"priority"}}`, false, price.Usage{Input: 10, Output: 20, ServiceTier: "priority"}, true, false},
		"more for an hour than all":     {`{"usage":{"input_tokens":10,"cache_creation_input_tokens":1,"cache_creation":{"ephemeral_1h_input_tokens":2},"output_tokens":20}}`, false, price.Usage{}, false, false},
		"something billed beside":       {`{"usage":{"input_tokens":10,"output_tokens":20,"server_tool_use":{"code_execution_requests":1}}}`, false, price.Usage{}, false, false},
		"nothing billed beside":         {`{"usage":{"input_tokens":10,"output_tokens":20,"server_tool_use":{"web_search_requests":0}}}`, false, price.Usage{Input: 10, Output: 20}, true, false},
		"a search":                      {`{"usage":{"input_tokens":10,"output_tokens":20,"server_tool_use":{"web_search_requests":3,"web_fetch_requests":0}}}`, false, price.Usage{Input: 10, Output: 20, Uses: "web_search=3"}, true, false},
		"a search among tools":          {`{"usage":{"input_tokens":10,"output_tokens":20,"server_tool_use":{"tool_search_requests":2}}}`, false, price.Usage{Input: 10, Output: 20}, true, false},
		"half a search":                 {`{"usage":{"input_tokens":10,"output_tokens":20,"server_tool_use":{"web_search_requests":0.5}}}`, false, price.Usage{}, false, false},
		"where and how, as usual":       {`{"usage":{"input_tokens":10,"output_tokens":20,"inference_geo":"not_available","speed":"standard"}}`, false, price.Usage{Input: 10, Output: 20}, true, false},
		"elsewhere":                     {`{"usage":{"input_tokens":10,"output_tokens":20,"inference_geo":"US"}}`, false, price.Usage{Input: 10, Output: 20, Properties: "inference_geo=us"}, true, false},
		"elsewhere and fast":            {`{"usage":{"input_tokens":10,"output_tokens":20,"inference_geo":"us","speed":"fast"}}`, false, price.Usage{Input: 10, Output: 20, Properties: "inference_geo=us&speed=fast"}, true, false},
		"where nobody has a price":      {`{"usage":{"input_tokens":10,"output_tokens":20,"inference_geo":"cn"}}`, false, price.Usage{}, false, false},
		"thoughts":                      {`{"usage":{"input_tokens":10,"output_tokens":20,"output_tokens_details":{"thinking_tokens":8}}}`, false, price.Usage{Input: 10, Output: 20, Reasoning: 8}, true, false},
		"written, divided":              {`{"usage":{"input_tokens":10,"cache_creation_input_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":3},"output_tokens":20}}`, false, price.Usage{Input: 10, CacheWrite5m: 2, CacheWrite1h: 3, Output: 20}, true, false},
		"written, as a division alone":  {`{"usage":{"input_tokens":10,"cache_creation":{"ephemeral_1h_input_tokens":3},"output_tokens":20}}`, false, price.Usage{Input: 10, CacheWrite1h: 3, Output: 20}, true, false},
		"a summary on top":              {`{"usage":{"input_tokens":10,"output_tokens":20,"iterations":[{"type":"compaction","input_tokens":900,"output_tokens":90,"cache_read_input_tokens":7},{"type":"message","input_tokens":10,"output_tokens":20}]}}`, false, price.Usage{Input: 910, CachedInput: 7, Output: 110}, true, false},
		"a summary, in the sum":         {`{"usage":{"input_tokens":910,"output_tokens":110,"iterations":[{"type":"compaction","input_tokens":900,"output_tokens":90},{"type":"message","input_tokens":10,"output_tokens":20}]}}`, false, price.Usage{Input: 910, Output: 110}, true, false},
		"a summary, and nothing else":   {`{"usage":{"input_tokens":10,"output_tokens":20,"iterations":[{"type":"compaction","input_tokens":900,"output_tokens":90}]}}`, false, price.Usage{Input: 910, Output: 110}, true, false},
		"several messages":              {`{"usage":{"input_tokens":30,"output_tokens":20,"iterations":[{"type":"message","input_tokens":10,"output_tokens":5},{"type":"message","input_tokens":20,"output_tokens":15}]}}`, false, price.Usage{Input: 30, Output: 20}, true, false},
		"messages of another sum":       {`{"usage":{"input_tokens":10,"output_tokens":20,"iterations":[{"type":"message","input_tokens":10,"output_tokens":5},{"type":"message","input_tokens":20,"output_tokens":15}]}}`, false, price.Usage{}, false, false},
		"another model's advice":        {`{"usage":{"input_tokens":10,"output_tokens":20,"iterations":[{"type":"message","input_tokens":10,"output_tokens":20},{"type":"advisor_message","model":"x","input_tokens":1,"output_tokens":1}]}}`, false, price.Usage{}, false, false},
		"another model's message":       {`{"usage":{"input_tokens":10,"output_tokens":20,"iterations":[{"type":"message","model":"mini","input_tokens":10,"output_tokens":20}]}}`, false, price.Usage{}, false, false},
		"the model's own message":       {`{"usage":{"input_tokens":10,"output_tokens":20,"iterations":[{"type":"message","model":"maxi-2026","input_tokens":10,"output_tokens":20}]}}`, false, price.Usage{Input: 10, Output: 20}, true, false},
		"no iterations":                 {`{"usage":{"input_tokens":10,"output_tokens":20,"iterations":[]}}`, false, price.Usage{Input: 10, Output: 20}, true, false},
		"something of tomorrow":         {`{"usage":{"input_tokens":10,"output_tokens":20,"pages":4}}`, false, price.Usage{}, false, false},
		"another model":                 {`{"model":"mini","usage":{"input_tokens":10,"output_tokens":20}}`, false, price.Usage{}, false, false},
		"the model":                     {`{"model":"maxi-2026","usage":{"input_tokens":10,"output_tokens":20}}`, false, price.Usage{Input: 10, Output: 20}, true, false},
		"no output":                     {`{"usage":{"input_tokens":10,"output_tokens":0}}`, false, price.Usage{}, false, false},
		"no input":                      {`{"usage":{"input_tokens":0,"output_tokens":20}}`, false, price.Usage{}, false, false},
		"zero":                          {`{"usage":{"input_tokens":0,"output_tokens":0}}`, false, price.Usage{}, false, false},
		"none":                          {`{}`, false, price.Usage{}, false, false},
		"a fraction":                    {`{"usage":{"input_tokens":1.5,"output_tokens":0}}`, false, price.Usage{}, false, false},
	})
}

// TestMessagesWrites: what was written to the cache, and the answer does not say for how long,
// was written for as long as the request has asked.
func TestMessagesWrites(t *testing.T) {
	const answer = `{"usage":{"input_tokens":4,"cache_creation_input_tokens":80,"output_tokens":10}}`
	const partly = `{"usage":{"input_tokens":4,"cache_creation_input_tokens":80,"cache_creation":{"ephemeral_5m_input_tokens":30},"output_tokens":10}}`
	for body, want := range map[string]struct{ answer, partly price.Usage }{
		`{"model":"maxi","max_tokens":7,"messages":[],"cache_control":{"type":"ephemeral","ttl":"1h"}}`: {
			price.Usage{Input: 4, CacheWrite1h: 80, Output: 10}, price.Usage{Input: 4, CacheWrite5m: 30, CacheWrite1h: 50, Output: 10}},
		`{"model":"maxi","max_tokens":7,"messages":[],"cache_control":{"type":"ephemeral"}}`: {
			price.Usage{Input: 4, CacheWrite5m: 80, Output: 10}, price.Usage{Input: 4, CacheWrite5m: 80, Output: 10}},
	} {
		checkAnswered(t, protocol.Messages{}, body, false, map[string]answered{
			"written, of " + body:                 {answer, false, want.answer, true, false},
			"written and partly told, of " + body: {partly, false, want.partly, true, false},
		})
	}
}

// TestMessagesCacheFilled: a call that only fills the cache has no output.
func TestMessagesCacheFilled(t *testing.T) {
	checkAnswered(t, protocol.Messages{}, `{"model":"maxi","max_tokens":0,"messages":[]}`, false, map[string]answered{
		"no output": {`{"content":[],"stop_reason":"max_tokens","usage":{"input_tokens":10,"output_tokens":0}}`, false, price.Usage{Input: 10}, true, false},
	})
}

// TestMessagesWithAPriceForFiveMinutes: a model that has a price for five minutes alone is
// not asked for an hour.
func TestMessagesWithAPriceForFiveMinutes(t *testing.T) {
	model := maxi
	list := maps.Clone(maxi.Prices[price.Default].Base)
	delete(list, price.CacheWrite1h)
	model.Prices = price.Book{price.Default: {Base: list}}
	for ttl, refused := range map[string]bool{"5m": false, "1h": true, "24h": true} {
		request, err := protocol.Messages{}.Read(incoming(`{"model":"maxi","max_tokens":7,"messages":[],"cache_control":{"type":"ephemeral","ttl":"` + ttl + `"}}`))
		if err != nil {
			t.Fatal(err)
		}
		if call, err := request.For(model, protocol.OutputLimits{}); (err != nil) != refused || err != nil && !strings.Contains(err.Error(), "cacheWrite1h") {
			t.Errorf("for %s: %+v, %v", ttl, call.Bound, err)
		}
	}
}

func TestMessagesMessage(t *testing.T) {
	checkMessage(t, protocol.Messages{}, `{"model":"maxi","max_tokens":7,"messages":[]}`, false)
	checkMessage(t, protocol.Messages{}, `{"model":"maxi","max_tokens":7,"messages":[],"stream":true}`, true)
}

func TestMessagesAuthorize(t *testing.T) {
	for client, want := range map[string]string{"": "2023-06-01", "2099-01-01": "2099-01-01"} {
		header := protocol.Header{}
		if client != "" {
			header.Set("Anthropic-Version", client)
		}
		protocol.Anthropic{}.Authorize(header, "k")
		if header.Get("X-Api-Key") != "k" || header.Get("Anthropic-Version") != want || header.Get("Authorization") != "" {
			t.Errorf("version %q: got %v", client, header)
		}
	}
}
