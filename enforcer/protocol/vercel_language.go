package protocol

import (
	"fmt"
	"strings"

	"github.com/tidwall/gjson"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
)

// VercelLanguageModel is a call of a language model by Vercel's AI Gateway, in one version.
type VercelLanguageModel struct{ version vercelVersion }

// Protocol is VercelAIGateway.
func (VercelLanguageModel) Protocol() Protocol { return VercelAIGateway{} }

// Path is where clients find the API.
func (e VercelLanguageModel) Path() string { return e.version.base + "/language-model" }

// Operation is chat.
func (VercelLanguageModel) Operation() string { return "chat" }

// Read reads a request, whose header says which model is asked, and for what.
func (e VercelLanguageModel) Read(in Incoming) (ParsedRequest, error) {
	r, err := readVercel(in.Body)
	if err != nil {
		return nil, err
	}
	r.path, r.specification = e.Path(), e.version.specification
	if err := r.readHeader(in, e.version); err != nil {
		return nil, err
	}
	return r, nil
}

// vercelRequest is a call of a language model that was read.
type vercelRequest struct {
	unpriced
	body                       []byte
	path, specification, model string
	streamed                   bool
	input                      input
	// maxOutput is the member that bounds the output, and maxTokens what it says; 0 when it
	// does not say.
	maxOutput member
	maxTokens int64
	tier      serviceTier
	// thinks is whether the request asks the model to think, or, where it does not say, nil.
	thinks *bool
	// budget is how much of that comes on top of maxTokens; effort is whether the gateway
	// chooses how much.
	budget int64
	effort bool
	// prompts is whether the packages of some providers add a prompt of their own.
	prompts bool
	// reads is whether parts of the prompt may stand for what the provider has stored.
	reads bool
	// structured is whether text is no answer.
	structured bool
}

func readVercel(body []byte) (*vercelRequest, *RequestError) {
	root, err := parseBody(body)
	if err != nil {
		return nil, err
	}
	r := &vercelRequest{body: body, maxOutput: member{name: "maxOutputTokens"}}
	prompt, tools, options := member{name: "prompt"}, member{name: "tools"}, member{name: "providerOptions"}
	format, choice, reasoning := member{name: "responseFormat"}, member{name: "toolChoice"}, member{name: "reasoning"}
	if err := readMembers(root, &r.maxOutput, &prompt, &tools, &options, &format, &choice, &reasoning); err != nil {
		return nil, err
	}
	if r.unpriced, err = vercelAllowed.check(root); err != nil {
		return nil, err
	}
	if r.maxTokens, err = r.maxOutput.integer(1, maxOutputTokens, 0); err != nil {
		return nil, r.maxOutput.asOutput(err)
	}
	if !prompt.value.IsArray() {
		return nil, wrong("prompt", "must be an array of messages")
	}
	r.prompts = hasSomething(tools.value) || format.value.Get("type").Str == "json"
	r.structured = format.value.Get("type").Str == "json" || isForcedTool(choice.value)
	r.readReasoning(reasoning.value)
	if err := r.readOptions(options.value); err != nil {
		return nil, err
	}
	return r, eachOf(prompt.value, "prompt", r.readMessage)
}

// isForcedTool is whether a choice of tools makes the model call one.
func isForcedTool(choice gjson.Result) bool {
	kind := choice.Get("type").Str
	return kind == "required" || kind == "tool"
}

// readReasoning reads how much the model is to think in specification 4. The gateway makes of
// it what the provider has, which may be tokens beyond maxOutputTokens.
func (r *vercelRequest) readReasoning(reasoning gjson.Result) {
	switch reasoning.Str {
	case "", "provider-default":
	case "none":
		r.toThink(false)
	default:
		r.toThink(true)
		r.effort = true
	}
}

func (r *vercelRequest) toThink(thinks bool) {
	if r.thinks == nil || thinks {
		r.thinks = &thinks
	}
}

// readHeader reads which model is asked, and whether for a stream.
func (r *vercelRequest) readHeader(in Incoming, version vercelVersion) (err *RequestError) {
	if err := version.checkSpecification(in, vercelLanguageVersion); err != nil {
		return err
	}
	if r.model, err = in.field(vercelLanguageModel); err != nil {
		return err
	}
	streamed, err := in.field(vercelStreaming)
	if err == nil && streamed != "true" && streamed != "false" {
		err = wrong(strings.ToLower(vercelStreaming), "must be true or false")
	}
	r.streamed = streamed == "true"
	return err
}

// defaultBudget is what Anthropic's package for the AI SDK has a model think that is to think
// and not told how much.
const defaultBudget = 1024

// readOptions reads the options of providers: in which service tier they are to serve, and how
// much the model is to think. Those of any provider count, as any may be asked.
func (r *vercelRequest) readOptions(options gjson.Result) (err *RequestError) {
	asked := ""
	options.ForEach(func(provider, of gjson.Result) bool {
		of.ForEach(func(name, value gjson.Result) bool {
			switch name.Str {
			case "serviceTier":
				asked, err = sameTier(asked, value)
			case "thinking", "reasoningConfig":
				err = r.readThinking(value)
			case "thinkingConfig", "reasoningEffort", "effort":
				r.toThink(value.Str != "none")
			}
			if err != nil {
				err = err.within("providerOptions." + clipped(provider.Str))
			}
			return err == nil
		})
		return err == nil
	})
	if r.tier = (serviceTier{asked: price.Default, open: true}); asked != "" {
		r.tier = tierAsked(asked)
	}
	return err
}

// sameTier is the service tier that is asked for; there may be only one.
func sameTier(asked string, value gjson.Result) (string, *RequestError) {
	switch {
	case value.Type == gjson.Null:
		return asked, nil
	case value.Type != gjson.String || value.Str == "":
		return "", wrong("serviceTier", "must be the name of a service tier")
	case asked != "" && asked != value.Str:
		return "", wrong("serviceTier", "conflicts with that of another provider")
	}
	return value.Str, nil
}

func (r *vercelRequest) readThinking(thinking gjson.Result) *RequestError {
	kind := thinking.Get("type").Str
	r.toThink(kind != "disabled")
	budget := member{name: "budgetTokens"}
	if err := readMembers(thinking, &budget); err != nil {
		return err.within("thinking")
	}
	fallback := int64(0)
	if kind == "enabled" {
		fallback = defaultBudget
	}
	tokens, err := budget.integer(0, maxOutputTokens, fallback)
	if err != nil {
		return err.within("thinking")
	}
	r.budget = max(r.budget, tokens)
	return nil
}

func (r *vercelRequest) readMessage(message gjson.Result) *RequestError {
	if !message.IsObject() {
		return wrong("", "must be an object")
	}
	role, content := member{name: "role"}, member{name: "content"}
	if err := readMembers(message, &role, &content); err != nil {
		return err
	}
	verbatim := readAsWritten(role)
	switch {
	case content.value.Type == gjson.String:
		if verbatim {
			r.input.text(content.value)
		}
		return nil
	case !content.value.IsArray():
		return wrong("content", "must be a string or an array of parts")
	}
	return eachOf(content.value, "content", func(part gjson.Result) *RequestError { return r.readPart(part, verbatim) })
}

// readPart reads a part of a message, whose text the model may read verbatim.
func (r *vercelRequest) readPart(part gjson.Result, verbatim bool) *RequestError {
	kind, err := typeOf(part)
	if err != nil {
		return err
	}
	if hasItem(part) {
		r.reads = true
	}
	switch kind {
	case "text":
		if verbatim {
			r.input.text(part.Get("text"))
		}
	case "reasoning", "tool-call", "tool-approval-request", "tool-approval-response":
	case "tool-result":
		return r.readResult(part.Get("output"))
	case "file", "reasoning-file":
		return r.readFile(part)
	default:
		r.input.only("content of an unknown type")
	}
	return nil
}

// hasItem is whether a provider may read something else in the place of a part: what it has
// stored by that name.
func hasItem(part gjson.Result) (has bool) {
	part.Get("providerOptions").ForEach(func(_, of gjson.Result) bool {
		has = has || of.Get("itemId").Exists()
		return !has
	})
	return has
}

// readResult reads what a tool has answered.
func (r *vercelRequest) readResult(output gjson.Result) *RequestError {
	kind, err := typeOf(output)
	if err != nil {
		return err.within("output")
	}
	if kind != "content" {
		return nil
	}
	return eachOf(output.Get("value"), "output.value", func(part gjson.Result) *RequestError {
		switch kind, err := typeOf(part); {
		case err != nil:
			return err
		case kind == "text":
			return nil
		case kind == "file-data" || kind == "image-data" || kind == "media" || kind == "file":
			return r.readFile(part)
		}
		r.input.only("a file")
		return nil
	})
}

// readFile reads a file, which only as an image has a formula. Sound has a price of its own,
// and no answer of the gateway says how much of it there was.
func (r *vercelRequest) readFile(file gjson.Result) *RequestError {
	data, media := member{name: "data"}, member{name: "mediaType"}
	if err := readMembers(file, &data, &media); err != nil {
		return err
	}
	class, _, _ := strings.Cut(strings.ToLower(media.value.Str), "/")
	switch class {
	case "image":
		return r.readImage(data.value)
	case "text", "application":
		r.input.only("a file")
		return nil
	}
	why := *unsupported("mediaType", "audio has a price of its own, and the gateway does not report how much of it there was")
	r.unpriced = append(r.unpriced, Unpriced{
		RequestError: why, Field: "prompt[].content[].mediaType=" + clipped(media.value.Str),
	})
	r.input.only("a recording")
	return nil
}

// readImage reads the data of an image: a URL or base64, which may stand in an object.
func (r *vercelRequest) readImage(data gjson.Result) *RequestError {
	r.input.images++
	if data.IsObject() {
		bytes := member{name: "data"}
		if err := readMembers(data, &bytes); err != nil {
			return err.within("data")
		}
		data = bytes.value
	}
	if data.Type == gjson.String && !strings.HasPrefix(data.Str, "http") {
		r.input.encoded += int64(len(data.Raw))
	}
	return nil
}

func (r *vercelRequest) Model() string  { return r.model }
func (r *vercelRequest) Streamed() bool { return r.streamed }

func (r *vercelRequest) For(model limiterv1.Model, limits OutputLimits) (BoundedCall, error) {
	output, err := limits.within(model, r.maxTokens, r.maxOutput.name)
	if err != nil {
		return BoundedCall{}, err
	}
	in := r.inputFor(model)
	bound, err := in.usage(r.body, model, vercelImage, r.generated(model, output.Tokens))
	if err != nil {
		return BoundedCall{}, err
	}
	bound = asWritten(bound, model)
	cost, err := dearest(model, bound, r.tier)
	if err != nil {
		return BoundedCall{}, err
	}
	changed := rewrite{body: r.body}
	if output.Tokens != r.maxTokens {
		changed.set(&r.maxOutput, fmt.Append(nil, output.Tokens))
	}
	bill := newBill(model, r.tier) // answers must not hold the request
	seen := vercelSeen{seen: seen{outlook: r.outlook(bound, model)}}
	return BoundedCall{
		Path: r.path, Header: r.header(model), Body: changed.bytes, Output: output, Bound: bound, Cost: cost,
		Dearest: dearestOf(model, r.tier, bound.Uses), Hidden: seen.hidden,
		Whole:  func() Answer { return wholeVercel(bill) },
		Stream: func() Answer { return newVercelStream(bill, seen) },
	}, nil
}

// header says in the header what the provider is asked for.
func (r *vercelRequest) header(model limiterv1.Model) Header {
	return Header{
		vercelLanguageModel: {model.UpstreamName}, vercelLanguageVersion: {r.specification}, vercelStreaming: {fmt.Sprint(r.streamed)},
	}
}

// inputFor is the input as the provider of a model reads it. Packages for other providers than
// OpenAI tell the model about tools, and about the format, in prompts of their own.
func (r *vercelRequest) inputFor(model limiterv1.Model) input {
	in := r.input
	if r.prompts && !isBy("openai", model) {
		in.extra += toolsPrompt
	}
	if r.reads {
		in.only("an item that the provider has stored")
	}
	for range r.clientTools() {
		in.extra += ownTool
	}
	return in
}

// clientTools is how many tools there are that a provider has defined and the client runs.
func (r *vercelRequest) clientTools() (n int) {
	gjson.Get(view(r.body), "tools").ForEach(func(_, tool gjson.Result) bool {
		if runsAtClient(tool.Get("id").Str) {
			n++
		}
		return true
	})
	return n
}

// generated is the most that the model generates. Anthropic's package for the AI SDK has it
// think on top of what is asked for, up to what the model gives.
func (r *vercelRequest) generated(model limiterv1.Model, output int64) int64 {
	if r.effort && isClaude(model) {
		return model.MaxOutputTokens
	}
	return min(output+r.budget, model.MaxOutputTokens)
}

func (r *vercelRequest) outlook(bound price.Usage, model limiterv1.Model) outlook {
	o := outlook{bound: bound, tokenizer: model.Tokenizer}
	if o.hidden, o.shown = hides(model); r.thinks != nil && !o.shown {
		o.hidden = *r.thinks
	}
	return o
}

// isBy is whether a model is a maker's, by the name that the gateway has for it.
func isBy(maker string, model limiterv1.Model) bool {
	return strings.HasPrefix(strings.ToLower(model.UpstreamName), maker+"/")
}

func isClaude(model limiterv1.Model) bool {
	return isBy("anthropic", model) || strings.Contains(strings.ToLower(model.UpstreamName), "claude")
}

// vercelImage is the most tokens that one image is for a model; 0 when that is not known.
func vercelImage(model limiterv1.Model) int64 {
	switch {
	case model.Unlisted:
		return 0
	case isBy("anthropic", model):
		return largestAnthropicImage
	case isBy("openai", model):
		return imageTokens(model)
	}
	return 0
}

// Message is the answer that says text.
func (r *vercelRequest) Message(text Text) (Plain, bool) {
	if r.structured {
		return Plain{}, false
	}
	reason, usage := any("stop"), map[string]any{"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}
	if r.specification != "2" {
		reason = map[string]any{"unified": "stop", "raw": "stop"}
		usage = map[string]any{
			"inputTokens":  map[string]any{"total": 0, "noCache": 0, "cacheRead": 0, "cacheWrite": 0},
			"outputTokens": map[string]any{"total": 0, "text": 0, "reasoning": 0},
		}
	}
	response := map[string]any{"id": text.ID, "timestamp": text.At.UTC(), "modelId": r.model}
	if !r.streamed {
		return wholeMessage(map[string]any{
			"content":      []any{map[string]any{"type": "text", "text": text.Content}},
			"finishReason": reason, "usage": usage, "response": response, "warnings": []any{},
		}), true
	}
	var m streamedMessage
	for _, part := range []map[string]any{
		{"type": "stream-start", "warnings": []any{}},
		with(response, "type", "response-metadata"),
		{"type": "text-start", "id": "0"},
		{"type": "text-delta", "id": "0", "delta": text.Content},
		{"type": "text-end", "id": "0"},
		{"type": "finish", "finishReason": reason, "usage": usage},
	} {
		m.event("", part)
	}
	return m.plain(), true
}
