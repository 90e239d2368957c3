package proxy_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/hack/fakeprovider"
)

// object is a JSON object.
type object = map[string]any

// agent is a session of a coding agent: a conversation that goes on until it is closed, with all that was
// said before in every request.
type agent struct {
	t      *testing.T
	door   *door
	fake   *fakeprovider.Provider
	path   string
	header http.Header
	calls  int
}

// newAgent begins a session at a path. The models search the web for a fee, four times a call
// if it does not say how often.
func newAgent(t *testing.T, path string, header http.Header) *agent {
	t.Helper()
	fake := fakeprovider.New(fakeprovider.Options{})
	d := newProtocolsDoor(t, fake.ServeHTTP)
	for _, route := range d.config.routes {
		if route.Provider.Protocol == limiterv1.Anthropic {
			route.Model.MaxOutputTokens, route.Model.ContextWindow = 64_000, 200_000
		}
		if route.Provider.Protocol != limiterv1.OpenAI {
			continue
		}
		for tier, tariff := range route.Model.Prices {
			tariff.AnyCallUses = "web_search=4"
			route.Model.Prices[tier] = tariff
		}
	}
	return &agent{t: t, door: d, fake: fake, path: path, header: header}
}

// ask makes a call, which must be answered and cost what the provider bills; it returns the
// events of its answer.
func (a *agent) ask(body object) (events []object) {
	a.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		a.t.Fatal(err)
	}
	request := a.door.request(http.MethodPost, a.path, string(raw))
	for name, values := range a.header {
		request.Header[name] = values
	}
	got := a.door.do(request)
	if got.status != http.StatusOK || got.err != nil {
		a.t.Fatalf("call %d: %d %s %v", a.calls, got.status, got.body, got.err)
	}
	a.calls++
	entry, billed := a.door.entry(got.header.Get(call.CallIDHeader)), billOf(a.t, a.fake, got)
	if entry.Outcome != ledgerv1.Settled || entry.Cost != money.Nanos(billed.CostNanos) || entry.Held < entry.Cost {
		a.t.Errorf("call %d: ledger %+v\nbill %+v", a.calls, entry, billed)
	}
	lines := bufio.NewScanner(strings.NewReader(got.body))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		var event object
		if ok && json.Unmarshal(data, &event) == nil {
			events = append(events, event)
		}
	}
	return events
}

// The tools of Codex, as it describes them. Those in a namespace come from MCP servers, or are
// for agents below it.
var (
	codexShell = object{
		"type": "function", "name": "exec_command", "description": "Runs a command.", "strict": false,
		"parameters": object{"type": "object", "properties": object{"cmd": object{"type": "string"}, "yield_time_ms": object{"type": "number"}}, "required": []any{"cmd"}, "additionalProperties": false},
	}
	codexPatch = object{
		"type": "custom", "name": "apply_patch", "description": "Edits files.",
		"format": object{"type": "grammar", "syntax": "lark", "definition": "start: /.+/"},
	}
	codexImages = object{
		"type": "function", "name": "view_image", "description": "Shows an image.", "strict": false, "parameters": object{"type": "object", "properties": object{"path": object{"type": "string"}}},
	}
	codexAgents = object{
		"type": "namespace", "name": "collaboration", "description": "Other agents.",
		"tools": []any{object{"type": "function", "name": "spawn_agent", "description": "Starts one.", "strict": false, "parameters": object{"type": "object", "properties": object{"message": object{"type": "string"}}}}},
	}
	codexFinder = object{
		"type": "tool_search", "execution": "client", "description": "Finds tools.", "parameters": object{"type": "object", "properties": object{"query": object{"type": "string"}}},
	}
	codexSearch = object{"type": "web_search", "external_web_access": true, "search_content_types": []any{"text", "image"}}
)

// codex is a session of Codex. It sends the whole conversation each time, since it has
// nothing stored, with the thoughts that only the provider can read.
type codex struct {
	*agent
	request object
	items   []any
}

func newCodex(t *testing.T, request object, items ...any) *codex {
	t.Helper()
	const thread = "0199aaaa-0000-7000-8000-000000000001"
	header := http.Header{
		"Accept": {"text/event-stream"}, "Content-Type": {"application/json"}, "Originator": {"codex_exec"}, "User-Agent": {"codex_exec/0.171.0"},
		"X-Client-Request-Id": {thread}, "Session-Id": {thread}, "Thread-Id": {thread}, "X-Codex-Window-Id": {thread + ":0"},
		"X-Codex-Turn-Metadata": {`{"session_id":"` + thread + `"}`}, "X-Codex-Beta-Features": {"remote_compaction_v2"},
	}
	whole := object{
		"model": "gpt-5", "stream": true, "store": false, "tool_choice": "auto", "parallel_tool_calls": true,
		"include": []any{"reasoning.encrypted_content"}, "reasoning": object{"effort": "medium", "summary": "auto"},
		"prompt_cache_key": thread, "client_metadata": object{"thread_id": thread, "turn_id": thread, "x-codex-window-id": thread + ":0"},
	}
	for name, value := range request {
		whole[name] = value
	}
	return &codex{newAgent(t, "/v1/responses", header), whole, append(items, codexMessage("developer", "You edit code."), codexMessage("user", "<environment_context/>"))}
}

func codexMessage(role, text string) object {
	return object{"type": "message", "id": "msg_" + role, "role": role, "content": []any{object{"type": "input_text", "text": text}}}
}

// turn is a turn of the user, in which the model may call tools, one after the other.
func (c *codex) turn(prompt string, results ...func(called object) object) {
	c.t.Helper()
	c.items = append(c.items, codexMessage("user", prompt), object{"type": "reasoning", "id": "rs_1", "summary": []any{}, "encrypted_content": "b3BhcXVl"})
	c.items[len(c.items)-1], c.items[len(c.items)-2] = c.items[len(c.items)-2], c.items[len(c.items)-1]
	for {
		c.request["input"] = c.items
		events := c.ask(c.request)
		last := events[len(events)-1]
		if last["type"] != "response.completed" {
			c.t.Fatalf("the answer ends with %v", last)
		}
		output := last["response"].(object)["output"].([]any)
		c.items = append(c.items, output...)
		called := output[len(output)-1].(object)
		if _, calls := called["call_id"]; !calls {
			break
		}
		if len(results) == 0 {
			c.t.Fatalf("the model calls %v, which it was not to", called)
		}
		c.items = append(c.items, results[0](called))
		results = results[1:]
	}
	if len(results) > 0 {
		c.t.Fatalf("the model has not called a tool that it was to call")
	}
}

// result is what Codex says of a call of a kind.
func result(kind string, output any) func(object) object {
	return func(called object) object {
		return object{"type": kind, "id": "out_1", "call_id": called["call_id"], "output": output}
	}
}

// TestCodex replays sessions of Codex: no call is refused, and the ledger has the provider's bill.
func TestCodex(t *testing.T) {
	picture := []any{object{"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "high"}}
	play := func(c *codex) {
		c.turn("List the files [[output=7 tool=exec_command]]", result("function_call_output", "Exit code: 0\nOutput:\nmain.go\n"))
		c.turn("Change one [[output=7 tool=apply_patch]]", result("custom_tool_call_output", []any{object{"type": "input_text", "text": "Done"}}))
		c.turn("Look at it [[output=7 tool=view_image]]", result("function_call_output", picture))
		c.turn("Ask another [[output=7 tool=spawn_agent]]", result("function_call_output", `{"agent_id":"a"}`))
		if c.calls != 8 {
			c.t.Errorf("%d calls, want 8", c.calls)
		}
	}
	t.Run("tools in the request", func(t *testing.T) {
		tools := []any{codexShell, codexPatch, codexImages, codexAgents, codexFinder, codexSearch}
		c := newCodex(t, object{"tools": tools, "instructions": "You edit code.", "text": object{"verbosity": "low"}, "service_tier": "priority"})
		play(c)
		c.turn("Search the web [[output=7 searches=3 tool=exec_command]]", result("function_call_output", "ok"))
		c.turn("Find a tool [[output=7 tool=tool_search]]", func(called object) object {
			return object{"type": "tool_search_output", "call_id": called["call_id"], "status": "completed", "execution": "client", "tools": []any{codexAgents}}
		})
	})
	t.Run("a conversation made short", func(t *testing.T) {
		c := newCodex(t, object{"tools": []any{codexShell, codexPatch}, "instructions": "You edit code."})
		for _, route := range c.door.config.routes {
			route.Model.ContextWindow = 4000
		}
		c.turn("List the files [[output=7 tool=exec_command]]", result("function_call_output", "main.go"))
		// As it does now, with a stream, and as it did before.
		c.request["input"] = append(c.items, object{"type": "compaction_trigger"})
		events := c.ask(c.request)
		short := events[len(events)-1]["response"].(object)["output"].([]any)
		if len(short) != 1 || short[0].(object)["type"] != "compaction" {
			c.t.Fatalf("made short, it is %v", short)
		}
		c.items = append([]any{c.items[0]}, short...)
		c.turn("Go on [[output=7 tool=exec_command]]", result("function_call_output", "main.go"))
		c.path = "/v1/responses/compact"
		c.ask(object{"model": "gpt-5", "input": c.items, "instructions": "You edit code.", "tools": []any{codexShell, codexSearch}, "parallel_tool_calls": true, "reasoning": object{"effort": "low"}, "prompt_cache_key": "k", "text": object{"verbosity": "low"}})
	})
	t.Run("tools in the input", func(t *testing.T) {
		functions := object{"type": "namespace", "name": "functions", "description": "", "tools": []any{codexShell, codexPatch, codexImages}}
		more := object{"type": "additional_tools", "id": "at_1", "role": "developer", "tools": []any{functions, codexAgents}}
		play(newCodex(t, object{"parallel_tool_calls": false, "reasoning": object{"effort": "low", "context": "all_turns"}}, more))
	})
	t.Run("the shell of older models", func(t *testing.T) {
		c := newCodex(t, object{"tools": []any{object{"type": "local_shell"}}})
		c.turn("List the files [[output=7]]", result("local_shell_call_output", "main.go"))
	})
	t.Run("a structure at the end", func(t *testing.T) {
		schema := object{"type": "object", "properties": object{"title": object{"type": "string"}}, "required": []any{"title"}, "additionalProperties": false}
		c := newCodex(t, object{"tools": []any{}, "text": object{"format": object{"type": "json_schema", "strict": true, "schema": schema, "name": "codex_output_schema"}}})
		c.turn("Say what you did [[output=7]]")
	})
}

// The tools of Claude Code, as it describes them.
var claudeTools = []any{
	object{"name": "Bash", "description": "Runs a command.", "input_schema": object{"type": "object", "properties": object{"command": object{"type": "string"}}, "required": []any{"command"}}},
	object{"name": "Edit", "description": "Edits a file.", "input_schema": object{"type": "object", "properties": object{"file_path": object{"type": "string"}}}, "eager_input_streaming": true},
	object{"name": "mcp__tracker__find", "description": "Finds tickets.", "input_schema": object{"type": "object", "properties": object{}}, "cache_control": object{"type": "ephemeral"}},
}

// claudeCode is a session of Claude Code.
type claudeCode struct {
	*agent
	messages []any
}

func newClaudeCode(t *testing.T) *claudeCode {
	t.Helper()
	return &claudeCode{agent: newAgent(t, "/v1/messages?beta=true", http.Header{
		"Accept": {"application/json"}, "Content-Type": {"application/json"}, "User-Agent": {"claude-cli/2.1.0 (external, cli)"}, "X-App": {"cli"},
		"Anthropic-Version": {"2023-06-01"}, "X-Claude-Code-Session-Id": {"0199aaaa-0000-7000-8000-000000000001"},
		"Anthropic-Dangerous-Direct-Browser-Access": {"true"}, "X-Stainless-Lang": {"js"}, "X-Stainless-Retry-Count": {"0"}, "X-Stainless-Timeout": {"600"},
		"Anthropic-Beta": {"claude-code-20250219,context-1m-2025-08-07,interleaved-thinking-2025-05-14,thinking-token-count-2026-05-13," +
			"context-management-2025-06-27,prompt-caching-scope-2026-01-05,mid-conversation-system-2026-04-07,effort-2025-11-24"},
	})}
}

// body is a request of the main conversation. The last message marks how far the cache is to
// reach.
func (c *claudeCode) body() object {
	ephemeral := object{"type": "ephemeral"}
	return object{
		"model": "claude-sonnet-4-5", "max_tokens": 64_000, "stream": true, "metadata": object{"user_id": "user_1_account__session_1"},
		"system": []any{
			object{"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.0;"},
			object{"type": "text", "text": "You edit code.", "cache_control": object{"type": "ephemeral", "ttl": "1h", "scope": "global"}},
			object{"type": "text", "text": "The directory is /src.", "cache_control": ephemeral},
		},
		"thinking": object{"type": "adaptive"}, "tools": claudeTools, "messages": c.messages,
		"context_management": object{"edits": []any{object{"type": "clear_thinking_20251015", "keep": "all"}}}, "output_config": object{"effort": "high"},
	}
}

// turn is a turn of the user, in which the model may call tools. Their results are
// messages of the user.
func (c *claudeCode) turn(prompt string, results ...any) {
	c.t.Helper()
	c.messages = append(c.messages, object{"role": "user", "content": []any{
		object{"type": "text", "text": "<system-reminder>Be brief.</system-reminder>"}, object{"type": "text", "text": prompt, "cache_control": object{"type": "ephemeral"}},
	}})
	if len(c.messages) == 1 {
		c.messages = append(c.messages, object{"role": "system", "content": "There are these agents: none."})
	}
	for {
		content := []any{object{"type": "thinking", "thinking": "", "signature": "b3BhcXVl"}}
		var called string
		for _, event := range c.ask(c.body()) {
			block, _ := event["content_block"].(object)
			switch {
			case block == nil:
			case block["type"] == "tool_use":
				called = fmt.Sprint(block["id"])
				content = append(content, block)
			default:
				block["text"] = "as said"
				content = append(content, block)
			}
		}
		c.messages = append(c.messages, object{"role": "assistant", "content": content})
		if called == "" {
			break
		}
		if len(results) == 0 {
			c.t.Fatal("the model calls a tool that it was not to call")
		}
		c.messages = append(c.messages, object{"role": "user", "content": []any{
			object{"type": "tool_result", "tool_use_id": called, "content": results[0], "is_error": false, "cache_control": object{"type": "ephemeral"}},
		}})
		results = results[1:]
	}
	if len(results) > 0 {
		c.t.Fatal("the model has not called a tool that it was to call")
	}
}

// TestClaudeCode replays a session of Claude Code, with the small calls that it makes beside
// the conversation: no call is refused, and the ledger has the provider's bill.
func TestClaudeCode(t *testing.T) {
	c := newClaudeCode(t)
	// Whether there is any quota left, and a title for the session.
	c.ask(object{"model": "claude-sonnet-4-5", "max_tokens": 1, "stream": true, "messages": []any{object{"role": "user", "content": "quota"}}, "metadata": object{"user_id": "u"}})
	schema := object{"type": "object", "properties": object{"title": object{"type": "string"}}, "required": []any{"title"}, "additionalProperties": false}
	c.ask(object{
		"model": "claude-sonnet-4-5", "max_tokens": 64_000, "stream": true, "thinking": object{"type": "disabled"}, "tools": []any{}, "messages": []any{object{"role": "user", "content": "Name the session [[output=7]]"}},
		"system": []any{object{"type": "text", "text": "Name sessions."}}, "output_config": object{"effort": "high", "format": object{"type": "json_schema", "schema": schema}},
	})
	c.turn("List the files [[output=7 write1h=3 tool=Bash]]", "main.go\n")
	picture := object{"type": "image", "source": object{"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
	c.turn("Edit one [[output=7 cached=3 write=2 tool=Edit]]", []any{object{"type": "text", "text": "Done"}, picture})
	c.turn("Find the ticket [[output=7 tool=mcp__tracker__find]]", []any{object{"type": "text", "text": "none"}})
	// A search on the web is a call of its own, with the provider's tool.
	c.ask(object{
		"model": "claude-sonnet-4-5", "max_tokens": 100, "stream": true, "system": []any{object{"type": "text", "text": "Search."}},
		"messages": []any{object{"role": "user", "content": []any{object{"type": "text", "text": "Search [[output=7 searches=2]]"}}}},
		"tools":    []any{object{"type": "web_search_20250305", "name": "web_search", "max_uses": 8}}, "tool_choice": object{"type": "tool", "name": "web_search"},
	})
	// A summary, when the window is nearly full.
	c.turn("Sum it all up [[output=7]]", "ok")
	if c.calls != 11 {
		t.Errorf("%d calls, want 11", c.calls)
	}
	if got := c.door.do(c.door.request(http.MethodGet, "/v1/models?limit=1000", "")); got.status != http.StatusOK {
		t.Errorf("the list of models: %d %s", got.status, got.body)
	}
}

// TestThread goes through a thread of Messages as Anthropic's clients do: what was said is sent
// once, and what the provider keeps is billed in each call. A thread that is gone is told of as
// the provider does.
func TestThread(t *testing.T) {
	a := newAgent(t, "/v1/messages?beta=true", http.Header{"Anthropic-Version": {"2023-06-01"}, "Anthropic-Beta": {"message-threads-2026-08-12"}})
	body := func(thread object, prompt string) object {
		return object{
			"model": "claude-sonnet-4-5", "max_tokens": 100, "stream": true, "thread": thread,
			"messages": []any{object{"role": "user", "content": prompt}},
		}
	}
	first := body(object{"type": "create"}, "Say something [[output=7]]")
	first["tools"] = claudeTools
	first["system"] = []any{object{"type": "text", "text": "You edit code.", "cache_control": object{"type": "ephemeral", "ttl": "1h"}}}
	id := ""
	for i, directives := range []string{"", "[[output=9 write1h=5]]", "[[output=9 cached=3]]"} {
		request := first
		if i > 0 {
			request = body(object{"type": "continue", "previous_message_id": id}, "Go on "+directives)
		}
		id = fmt.Sprint(a.ask(request)[0]["message"].(object)["id"])
	}
	calls := a.fake.Bill().Calls
	if len(calls) != 3 || calls[2].InputTokens <= calls[1].InputTokens || calls[1].InputTokens <= calls[0].InputTokens {
		t.Errorf("a thread does not grow: %+v", calls)
	}
	raw, err := json.Marshal(body(object{"type": "continue", "previous_message_id": "msg_gone"}, "Go on"))
	if err != nil {
		t.Fatal(err)
	}
	got := a.door.do(a.door.request(http.MethodPost, a.path, string(raw)))
	if got.status != http.StatusNotFound || !strings.Contains(got.body, `"error_code":"thread_not_found"`) {
		t.Errorf("a thread that is gone: %d %s", got.status, got.body)
	}
	if entry := a.door.entry(got.header.Get(call.CallIDHeader)); entry.Cost != 0 {
		t.Errorf("a call that found no thread costs %+v", entry)
	}
}

// TestThreadRefused: of a call that cannot be bounded in a thread, clients are told in Anthropic's
// words, and go on without one.
func TestThreadRefused(t *testing.T) {
	a := newAgent(t, "/v1/messages", nil)
	for _, route := range a.door.config.routes {
		route.Model.ContextWindow = 0
	}
	got := a.door.do(a.door.request(http.MethodPost, a.path, `{"model":"claude-sonnet-4-5","max_tokens":7,"messages":[],"thread":{"type":"continue","previous_message_id":"msg_1"}}`))
	var said struct {
		Error struct {
			Message, Code string
			Details       struct {
				Code        string `json:"error_code"`
				Unsupported []string
			}
		}
	}
	if err := json.Unmarshal([]byte(got.body), &said); err != nil {
		t.Fatal(err)
	}
	if got.status != http.StatusBadRequest || said.Error.Code != "unsupported_parameter" || said.Error.Details.Code != "thread_unsupported_request" || len(said.Error.Details.Unsupported) != 1 {
		t.Errorf("refused with %d %s", got.status, got.body)
	}
	if want := "thread is not supported: its earlier messages are billed as input, which only a contextWindow bounds, and model claude-sonnet-4-5 has none in its ModelProvider."; said.Error.Message != want {
		t.Errorf("says %q, want %q", said.Error.Message, want)
	}
}

// TestSearchWithoutMaxUses: a search of Anthropic's that nothing bounds is refused with what would
// bound it; where the fee does, it is held, settled, and told to Anthropic.
func TestSearchWithoutMaxUses(t *testing.T) {
	a := newAgent(t, "/v1/messages", nil)
	body := object{
		"model": "claude-sonnet-4-5", "max_tokens": 100, "stream": true, "messages": []any{object{"role": "user", "content": "Search [[output=7 searches=2]]"}},
		"tools": []any{object{"type": "web_search_20250305", "name": "web_search"}},
	}
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	got := a.door.do(a.door.request(http.MethodPost, a.path, string(raw)))
	const want = `tools[0].type is not supported: its cost has no bound without max_uses: set it. To allow it, add a fee \"web_search\" with usesPerCall ` +
		`to prices.fees of model claude-sonnet-4-5 in ModelProvider Anthropic.`
	if got.status != http.StatusBadRequest || !strings.Contains(got.body, want) {
		t.Errorf("refused with %d %s, want %s", got.status, got.body, want)
	}
	for _, route := range a.door.config.routes {
		for tier, tariff := range route.Model.Prices {
			tariff.AnyCallUses = "web_search=2"
			route.Model.Prices[tier] = tariff
		}
	}
	a.ask(body)
	if calls := a.fake.Bill().Calls; len(calls) != 1 || calls[0].Searches != 2 {
		t.Errorf("billed: %+v", calls)
	}
}
