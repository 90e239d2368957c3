package protocol

import (
	"fmt"

	"github.com/tidwall/gjson"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
)

// Responses is OpenAI's Responses API.
type Responses struct{}

// Protocol is OpenAI.
func (Responses) Protocol() Protocol { return OpenAI{} }

// Path is where clients find the API.
func (Responses) Path() string { return "/v1/responses" }

// Operation is chat.
func (Responses) Operation() string { return "chat" }

// Read reads a request.
func (Responses) Read(in Incoming) (ParsedRequest, error) {
	return parsedResponses(readResponses(in.Body, "/responses", responsesAllowed))
}

// parsedResponses keeps a nil *responsesRequest from being a ParsedRequest.
func parsedResponses(r *responsesRequest, err *RequestError) (ParsedRequest, error) {
	if err != nil {
		return nil, err
	}
	return r, nil
}

// leastResponse is the least max_output_tokens that OpenAI takes.
const leastResponse = 16

// responsesRequest is a Responses request that was read.
type responsesRequest struct {
	unpriced
	body []byte
	// path is where the provider is asked.
	path             string
	model, maxOutput member
	maxTokens        int64
	streamed         bool
	input            input
	tier             serviceTier
	// searches is whether the provider may search the web, and toolCalls how often it may run
	// tools of its own, as maxTools says.
	searches  bool
	maxTools  member
	toolCalls int64
	// compacts is whether the answer is a compaction: a short form of what was said so far, which
	// the client sends in its place from then on.
	compacts bool
}

func readResponses(body []byte, path string, known allowed) (*responsesRequest, *RequestError) {
	root, err := parseBody(body)
	if err != nil {
		return nil, err
	}
	r := &responsesRequest{body: body, path: path, model: member{name: "model"}, maxOutput: member{name: "max_output_tokens"}, maxTools: member{name: maxToolCalls}}
	input, tools, stream := member{name: "input"}, member{name: "tools"}, member{name: "stream"}
	background, tier := member{name: "background"}, member{name: "service_tier"}
	instructions := member{name: "instructions"}
	previous, conversation := member{name: "previous_response_id"}, member{name: "conversation"}
	prompt := member{name: "prompt"}
	if err := readMembers(root, &r.model, &r.maxOutput, &input, &tools, &stream, &background, &tier, &instructions,
		&previous, &conversation, &prompt, &r.maxTools); err != nil {
		return nil, err
	}
	r.input.callsOnly(&r.model, &r.maxOutput, &stream, &background, &tier)
	if r.unpriced, err = known.check(root); err != nil {
		return nil, err
	}
	for _, err := range []*RequestError{
		r.model.modelName(), r.readScalars(&stream, &background, &tier),
		r.readTools(&tools), r.readInput(&input),
	} {
		if err != nil {
			return nil, err
		}
	}
	r.input.text(instructions.value)
	if previous.given() || conversation.given() || prompt.given() {
		r.input.only("an earlier response or a stored prompt")
	}
	return r, nil
}

func (r *responsesRequest) readScalars(stream, background, tier *member) (err *RequestError) {
	if r.streamed, err = stream.bool(); err != nil {
		return err
	}
	later, err := background.bool()
	switch {
	case err != nil:
		return err
	case later:
		return unsupported("background", "its usage is not reported with the answer")
	}
	if r.maxTokens, err = r.maxOutput.integer(1, maxOutputTokens, 0); err != nil {
		return r.maxOutput.asOutput(err)
	}
	if r.toolCalls, err = r.maxTools.integer(0, price.MaxTokens, 0); err != nil {
		return err
	}
	r.tier, err = readTier(tier)
	return err
}

func (r *responsesRequest) readInput(in *member) *RequestError {
	switch {
	case !in.given() || in.value.Type == gjson.String:
		r.input.text(in.value)
		return nil
	case !in.value.IsArray():
		return wrong("input", "must be a string or an array of items")
	}
	return eachOf(in.value, "input", r.readItem)
}

// builtInTool is the definition of a tool that OpenAI defines and the client runs. OpenAI
// does not say how long those are: this is as much as Anthropic's are at the most.
const builtInTool = ownTool

// readTools reads tools, whose members and types responsesTools are allowed by.
func (r *responsesRequest) readTools(tools *member) *RequestError {
	if err := readTools(tools); err != nil {
		return err
	}
	r.countTools(tools.value)
	return nil
}

// countTools counts those of the tools that are not defined in the body, and notes whether
// the provider may search the web.
func (r *responsesRequest) countTools(tools gjson.Result) {
	tools.ForEach(func(_, tool gjson.Result) bool {
		kind := tool.Get("type").Str
		r.searches = r.searches || responsesTools.byType[kind].fee == webSearchFee
		switch kind {
		case "function", "custom", "namespace":
		default:
			r.input.extra += builtInTool
		}
		return true
	})
}

// readItem reads an item of the input: a message, or what a model or a tool has
// said before.
func (r *responsesRequest) readItem(item gjson.Result) *RequestError {
	kind, err := typeOf(item)
	if err != nil {
		return err
	}
	switch kind {
	case "", "message":
		if kind == "" && item.Get("id").Exists() && !item.Get("role").Exists() {
			r.input.only("an item of an earlier response")
		}
		return r.readContent(item, "content")
	case "function_call_output", "custom_tool_call_output":
		return r.readContent(item, "output")
	case "tool_search_output", "additional_tools":
		tools := member{name: "tools"}
		if err := readMembers(item, &tools); err != nil {
			return err
		}
		return r.readTools(&tools)
	case "function_call", "custom_tool_call", "local_shell_call", "local_shell_call_output", "shell_call", "shell_call_output",
		"apply_patch_call", "apply_patch_call_output", "tool_search_call", "configuration_update":
	case "compaction_trigger":
		r.compact()
	case "reasoning":
		r.input.only("earlier reasoning") // known to the provider alone
	default:
		r.input.only("an item of an earlier response")
	}
	return nil
}

func (r *responsesRequest) readContent(item gjson.Result, name string) *RequestError {
	role, content := member{name: "role"}, member{name: name}
	if err := readMembers(item, &role, &content); err != nil {
		return err
	}
	verbatim := name == "content" && readAsWritten(role)
	switch {
	case !content.given() || content.value.Type == gjson.String:
		if verbatim {
			r.input.text(content.value)
		}
		return nil
	case !content.value.IsArray():
		return wrong(name, "must be a string or an array of parts")
	}
	return eachOf(content.value, name, func(part gjson.Result) *RequestError {
		return r.readPart(part, verbatim)
	})
}

// readPart reads a part of an item, whose text the model may read verbatim.
func (r *responsesRequest) readPart(part gjson.Result, verbatim bool) *RequestError {
	kind, err := typeOf(part)
	if err != nil {
		return err
	}
	switch kind {
	case "input_text", "output_text":
		if verbatim {
			r.input.text(part.Get("text"))
		}
	case "text", "summary_text", "refusal":
	case "input_image":
		url := member{name: "image_url"}
		if err := readMembers(part, &url); err != nil {
			return err
		}
		r.input.image(url.value)
	case "input_audio":
		r.input.recording()
	case "input_file":
		r.input.only("a file")
	default:
		r.input.only("content of an unknown type")
	}
	return nil
}

func (r *responsesRequest) Model() string  { return r.model.value.Str }
func (r *responsesRequest) Streamed() bool { return r.streamed }

func (r *responsesRequest) For(model limiterv1.Model, limits OutputLimits) (BoundedCall, error) {
	output, most, err := r.outputWithin(model, limits)
	if err != nil {
		return BoundedCall{}, err
	}
	searches := r.searchesOf(model)
	bound, err := r.bound(model, searches, most)
	if err != nil {
		return BoundedCall{}, err
	}
	cost, err := dearest(model, bound, r.tier)
	if err != nil {
		return BoundedCall{}, err
	}
	changed := rewrite{body: r.body}
	if model.UpstreamName != r.Model() {
		changed.set(&r.model, gjson.AppendJSONString(nil, model.UpstreamName))
	}
	if output.Tokens != r.maxTokens && !r.compacts {
		changed.set(&r.maxOutput, fmt.Append(nil, output.Tokens))
	}
	if searches > 0 && !r.maxTools.given() {
		changed.set(&r.maxTools, fmt.Append(nil, searches))
	}
	bill := newBill(model, r.tier) // answers must not hold the request
	bounded := bound.Uses
	bound.Uses = price.UsesOf(map[string]int64{webSearchFee: searches})
	seen := responsesSeen{seen: seen{outlook: outlookOf(r.body, bound, model)}}
	seen.hidden = seen.hidden || r.compacts // a compaction comes encrypted
	whole := func() Answer { return wholeResponse(bill, searches) }
	if r.path == compactPath {
		whole = func() Answer { return wholeCompaction(bill) }
	}
	return BoundedCall{
		Path: r.path, Body: changed.bytes, Output: output, Bound: bound, Cost: cost,
		Dearest: dearestOf(model, r.tier, bounded), Hidden: seen.hidden,
		Whole: whole, Stream: func() Answer { return newResponsesStream(bill, seen) },
	}, nil
}

// outputWithin bounds the output, and says how much of it there may be at most. A compaction may
// be as long as any output of the model: a bound in the request would cut it off.
func (r *responsesRequest) outputWithin(model limiterv1.Model, limits OutputLimits) (output OutputBound, most int64, err *RequestError) {
	if r.compacts && model.MaxOutputTokens > 0 {
		return OutputBound{}, model.MaxOutputTokens, nil
	}
	if output, err = limits.within(model, r.maxTokens, r.maxOutput.name); err != nil {
		return OutputBound{}, 0, err
	}
	output.Least = leastResponse
	return output, output.Tokens, nil
}

// searchesOf is how often the provider may search the web, each time for the model's fee: as
// often as the request says, or else as the fee does. What has no fee was passed on without a
// bound.
func (r *responsesRequest) searchesOf(model limiterv1.Model) int64 {
	switch {
	case !r.searches || !model.Prices.Charges(webSearchFee):
		return 0
	case r.maxTools.given():
		return r.toolCalls
	}
	return model.Prices.MostUses(webSearchFee)
}

// bound is the most that the call can use. After each search, the model reads the input again,
// with what was found.
func (r *responsesRequest) bound(model limiterv1.Model, searches, output int64) (price.Usage, *RequestError) {
	in := r.input // requests are bound for several models
	if searches > 0 {
		in.only("a tool that the provider runs")
	}
	bound, err := in.usage(r.body, model, imageTokens, output)
	if err != nil {
		return price.Usage{}, err
	}
	bound.Input = min(times(bound.Input, searches+1), price.MaxTokens)
	bound.AudioInput = min(times(bound.AudioInput, searches+1), price.MaxTokens)
	if searches > 0 || model.Prices.MostUses(webSearchFee) > 0 {
		bound.Uses = price.AtMost(map[string]int64{webSearchFee: searches})
	}
	return asWritten(bound, model), nil
}

// times is a product, or price.MaxTokens if that is less.
func times(a, b int64) int64 {
	if b > 0 && a > price.MaxTokens/b {
		return price.MaxTokens
	}
	return a * b
}

// Message is the response that says text.
func (r *responsesRequest) Message(text Text) (Plain, bool) {
	if r.compacts || r.demandsStructure() {
		return Plain{}, false
	}
	part := map[string]any{"type": "output_text", "text": text.Content, "annotations": []any{}, "logprobs": []any{}}
	item := func(status string, content ...any) map[string]any {
		return map[string]any{
			"type": "message", "id": "msg_" + text.ID, "status": status, "role": "assistant", "content": append([]any{}, content...),
		}
	}
	response := func(status string, usage any, output ...any) map[string]any {
		return map[string]any{
			"id": "resp_" + text.ID, "object": "response", "created_at": text.At.Unix(), "status": status,
			"model": r.Model(), "output": append([]any{}, output...), "error": nil, "incomplete_details": nil,
			"instructions": nil, "metadata": map[string]any{}, "parallel_tool_calls": true, "temperature": nil,
			"tool_choice": "auto", "tools": []any{}, "top_p": nil, "usage": usage,
		}
	}
	completed := response("completed", map[string]any{
		"input_tokens": 0, "input_tokens_details": map[string]int{"cached_tokens": 0},
		"output_tokens": 0, "output_tokens_details": map[string]int{"reasoning_tokens": 0}, "total_tokens": 0,
	}, item("completed", part))
	if !r.streamed {
		return wholeMessage(completed), true
	}
	place := map[string]any{"item_id": "msg_" + text.ID, "output_index": 0, "content_index": 0}
	emptyPart := map[string]any{"type": "output_text", "text": "", "annotations": []any{}}
	var m streamedMessage
	for i, e := range []map[string]any{
		{"type": "response.created", "response": response("in_progress", nil)},
		{"type": "response.in_progress", "response": response("in_progress", nil)},
		{"type": "response.output_item.added", "output_index": 0, "item": item("in_progress")},
		with(place, "type", "response.content_part.added", "part", emptyPart),
		with(place, "type", "response.output_text.delta", "delta", text.Content),
		with(place, "type", "response.output_text.done", "text", text.Content),
		with(place, "type", "response.content_part.done", "part", part),
		{"type": "response.output_item.done", "output_index": 0, "item": item("completed", part)},
		{"type": "response.completed", "response": completed},
	} {
		e["sequence_number"] = i
		m.event(fmt.Sprint(e["type"]), e)
	}
	return m.plain(), true
}
