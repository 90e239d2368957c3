package protocol

import (
	"bytes"
	"fmt"

	"github.com/tidwall/gjson"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
)

// Messages is Anthropic's Messages API.
type Messages struct{}

// Protocol is Anthropic.
func (Messages) Protocol() Protocol { return Anthropic{} }

// Path is where clients find the API.
func (Messages) Path() string { return "/v1/messages" }

// Operation is chat.
func (Messages) Operation() string { return "chat" }

// Read reads a request.
func (Messages) Read(in Incoming) (ParsedRequest, error) {
	r, err := readMessagesRequest(in.Body)
	if err != nil {
		return nil, err
	}
	r.unpriced = append(r.unpriced, in.headerUnpriced("anthropic-version", anthropicVersions)...)
	r.unpriced = append(r.unpriced, in.headerUnpriced("anthropic-beta", anthropicBetas)...)
	return r, nil
}

// What Anthropic adds to the input, by its guides to vision and to tools, each taken
// at the most that any model has and rounded up.
const (
	// largestAnthropicImage: a token is 750 pixels, and larger images are scaled down,
	// to 1568 pixels a side (1600 tokens), or 2576 (4784) for the models that see most.
	largestAnthropicImage = 4784
	// toolsPrompt is the prompt that comes with tools: 264 to 675 tokens.
	toolsPrompt = 1024
	// ownTool is the definition of a tool that Anthropic defines and the client runs:
	// 245 to 735 tokens, and 499 for the prompt of computer use.
	ownTool = 1500
)

// messagesRequest is a Messages request that was read.
type messagesRequest struct {
	unpriced
	body  []byte
	model member
	// maxOutput is what bounds the output, and maxTokens what it says; thinking is how much
	// of that the model may think, 0 when the request does not say.
	maxOutput           member
	maxTokens, thinking int64
	streamed            bool
	input               input
	tier                serviceTier
	// writes is the dearest kind of input that there may be.
	writes price.Kind
}

func readMessagesRequest(body []byte) (*messagesRequest, *RequestError) {
	root, err := parseBody(body)
	if err != nil {
		return nil, err
	}
	r := &messagesRequest{body: body, model: member{name: "model"}, maxOutput: member{name: "max_tokens"}, writes: cacheWrites(body)}
	messages, system, thinking := member{name: "messages"}, member{name: "system"}, member{name: "thinking"}
	tools, stream, tier := member{name: "tools"}, member{name: "stream"}, member{name: "service_tier"}
	if err := readMembers(root, &r.model, &r.maxOutput, &messages, &system, &tools, &stream, &tier, &thinking); err != nil {
		return nil, err
	}
	if r.unpriced, err = messagesAllowed.check(root); err != nil {
		return nil, err
	}
	if !r.maxOutput.given() {
		return nil, wrong("max_tokens", "is required")
	}
	r.thinking, _ = wholeNumber(thinking.value.Get("budget_tokens"))
	for _, err := range []*RequestError{
		r.model.modelName(), r.readScalars(&stream, &tier), r.readTools(&tools), r.readContent(&system),
	} {
		if err != nil {
			return nil, err
		}
	}
	if !messages.value.IsArray() {
		return nil, wrong("messages", "must be an array of messages")
	}
	return r, eachOf(messages.value, "messages", r.readMessage)
}

// cacheWrites is the dearest kind that input of the request may be. Where the body
// has no word of writing to the cache, not even in an escape, nothing is written.
func cacheWrites(body []byte) price.Kind {
	escaped := bytes.Contains(body, []byte(`\u00`))
	switch {
	case !escaped && !bytes.Contains(body, []byte("cache_control")):
		return price.Input
	case escaped || bytes.Contains(body, []byte(`"1h"`)):
		return price.CacheWrite1h
	}
	return price.CacheWrite5m
}

func (r *messagesRequest) readScalars(stream, tier *member) (err *RequestError) {
	if r.maxTokens, err = r.maxOutput.integer(1, maxOutputTokens, 0); err != nil {
		return err
	}
	if r.streamed, err = stream.bool(); err != nil {
		return err
	}
	r.tier, err = readTier(tier)
	return err
}

// readTools counts tools, whose members and types messagesTools are allowed by.
func (r *messagesRequest) readTools(tools *member) *RequestError {
	if !tools.given() {
		return nil
	}
	if !tools.value.IsArray() {
		return wrong("tools", "must be an array")
	}
	r.input.extra += toolsPrompt
	return eachOf(tools.value, "tools", func(tool gjson.Result) *RequestError {
		kind, err := typeOf(tool)
		if err == nil && kind != "" && kind != "custom" {
			r.input.extra += ownTool
		}
		return err
	})
}

func (r *messagesRequest) readMessage(message gjson.Result) *RequestError {
	if !message.IsObject() {
		return wrong("", "must be an object")
	}
	content := member{name: "content"}
	if err := readMembers(message, &content); err != nil {
		return err
	}
	return r.readContent(&content)
}

func (r *messagesRequest) readContent(content *member) *RequestError {
	switch {
	case !content.given() || content.value.Type == gjson.String:
		return nil
	case !content.value.IsArray():
		return wrong(content.name, "must be a string or an array of blocks")
	}
	return eachOf(content.value, content.name, r.readBlock)
}

func (r *messagesRequest) readBlock(block gjson.Result) *RequestError {
	kind, err := typeOf(block)
	if err != nil {
		return err
	}
	content, source, citations := member{name: "content"}, member{name: "source"}, member{name: "citations"}
	if err := readMembers(block, &content, &source, &citations); err != nil {
		return err
	}
	if citations.value.IsObject() && kind != "text" {
		r.input.only("a source of citations") // it is cut into numbered pieces
	}
	switch kind {
	case "text", "tool_use", "server_tool_use", "thinking", "redacted_thinking":
		return nil
	case "tool_result", "search_result":
		return r.readContent(&content)
	case "image":
		return r.readImage(source.value)
	case "document":
		return r.readDocument(source.value)
	}
	r.input.only("a block of type " + kind)
	return nil
}

func (r *messagesRequest) readImage(source gjson.Result) *RequestError {
	_, err := typeOf(source)
	data := member{name: "data"}
	if err == nil {
		err = readMembers(source, &data)
	}
	if err != nil {
		return err.within("source")
	}
	r.input.images++
	r.input.encoded += int64(len(data.value.Raw))
	return nil
}

// readDocument reads where a document comes from. One that is text stands in the
// body; all others are pages, of which nobody here knows how many.
func (r *messagesRequest) readDocument(source gjson.Result) *RequestError {
	kind, err := typeOf(source)
	if err != nil {
		return err.within("source")
	}
	switch kind {
	case "text":
		return nil
	case "content":
		content := member{name: "content"}
		err := readMembers(source, &content)
		if err == nil {
			err = r.readContent(&content)
		}
		if err != nil {
			return err.within("source")
		}
		return nil
	}
	r.input.only("a document")
	return nil
}

func (r *messagesRequest) Model() string  { return r.model.value.Str }
func (r *messagesRequest) Streamed() bool { return r.streamed }

func (r *messagesRequest) For(model limiterv1.Model, limits OutputLimits) (BoundedCall, error) {
	output, err := r.outputWithin(model, limits)
	if err != nil {
		return BoundedCall{}, err
	}
	bound, err := r.bound(model, output.Tokens)
	if err != nil {
		return BoundedCall{}, err
	}
	cost, err := dearest(model, bound, r.tier.possible()...)
	if err != nil {
		return BoundedCall{}, err
	}
	changed := rewrite{body: r.body}
	if model.UpstreamName != r.Model() {
		changed.set(&r.model, gjson.AppendJSONString(nil, model.UpstreamName))
	}
	if output.Tokens != r.maxTokens {
		changed.set(&r.maxOutput, fmt.Append(nil, output.Tokens))
	}
	tier := r.tier // answers must not hold the request
	return BoundedCall{
		Path: "/messages", Body: changed.bytes(), Output: output, Bound: bound, Cost: cost,
		Whole: func() Answer {
			return newWholeAnswer(func(members *memberScanner) reading {
				u := messagesUsage{tier: tier}
				u.add(members.member("usage"))
				return u.usage()
			}, "usage")
		},
		Stream: func() Answer { return newMessagesStream(tier) },
	}, nil
}

// outputWithin bounds the output. Anthropic takes only a max_tokens above what the model
// may think, except where a request that has less says that it may think between calls of
// tools.
func (r *messagesRequest) outputWithin(model limiterv1.Model, limits OutputLimits) (OutputBound, *RequestError) {
	output, err := limits.within(model, r.maxTokens, r.maxOutput.name)
	if err == nil && r.thinking < r.maxTokens {
		output.Least = r.thinking + 1
	}
	if err == nil && output.Tokens < output.Least {
		return OutputBound{}, wrong("thinking.budget_tokens",
			"must be less than %d, the most output tokens that this tenant's calls may ask for", output.Tokens)
	}
	return output, err
}

func (r *messagesRequest) bound(model limiterv1.Model, output int64) (price.Usage, *RequestError) {
	bound, err := r.input.usage(r.body, model, largestAnthropicImage, output)
	if err != nil {
		return price.Usage{}, err
	}
	// A model without a price for what is written to its cache has none of that.
	switch {
	case r.writes == price.CacheWrite1h && model.Prices.Offers(price.CacheWrite1h):
		bound.Input, bound.CacheWrite1h = 0, bound.Input
	case r.writes != price.Input && model.Prices.Offers(price.CacheWrite5m):
		bound.Input, bound.CacheWrite5m = 0, bound.Input
	}
	return bound, nil
}

// messagesUsage gathers a usage that comes in pieces, of which each tells the totals
// so far: a later one takes the place of an earlier one, member by member.
//
// Input does not contain what was read from the cache or written to it.
type messagesUsage struct {
	tier                       serviceTier
	input, output, read, wrote gjson.Result
	wrote1h, served            gjson.Result
	// billedBeside is whether there was something that has a price of its own.
	billedBeside bool
}

func (u *messagesUsage) add(usage gjson.Result) {
	for path, to := range map[string]*gjson.Result{
		"input_tokens": &u.input, "output_tokens": &u.output,
		"cache_read_input_tokens": &u.read, "cache_creation_input_tokens": &u.wrote,
		"cache_creation.ephemeral_1h_input_tokens": &u.wrote1h, "service_tier": &u.served,
	} {
		if value := usage.Get(path); value.Type != gjson.Null {
			*to = value
		}
	}
	usage.Get("server_tool_use").ForEach(func(_, n gjson.Result) bool {
		u.billedBeside = u.billedBeside || n.Num != 0
		return true
	})
}

func (u *messagesUsage) usage() reading {
	n := numbers{}
	input, output := n.read(u.input), n.read(u.output)
	read, wrote, wrote1h := n.readIfAny(u.read), n.readIfAny(u.wrote), n.readIfAny(u.wrote1h)
	if u.billedBeside {
		n.doubtOf("its server_tool_use is billed beside tokens")
	}
	return n.believable(price.Usage{
		Input: input, CachedInput: read, CacheWrite5m: wrote - wrote1h, CacheWrite1h: wrote1h,
		Output: output, ServiceTier: u.tier.served(u.served),
	})
}

// messagesStream is a streamed answer. Nothing is changed.
//
// Input is known from the start, output at the end alone: of an answer that was cut
// before it, nobody knows what it cost.
type messagesStream struct {
	events eventStream

	said messagesUsage
	// stopped is whether the usage that came last was that of the whole answer, done
	// whether the stream has ended as it should.
	cut, stopped, done bool
}

func newMessagesStream(tier serviceTier) *messagesStream {
	s := &messagesStream{said: messagesUsage{tier: tier}}
	s.events = eventStream{read: s.read}
	return s
}

func (s *messagesStream) Pass(chunk []byte) []byte { return s.events.pass(chunk) }
func (s *messagesStream) End(cut bool) []byte      { s.cut = cut; return s.events.end(cut) }
func (s *messagesStream) Unfinished() bool         { return !s.done }

func (s *messagesStream) Usage() (price.Usage, bool) {
	if !s.stopped {
		return price.Usage{}, false
	}
	return s.said.usage().usage()
}

var messageStop = []byte(`"message_stop"`)

func (s *messagesStream) read(data []byte) []byte {
	if !bytes.Contains(data, usageName) && !bytes.Contains(data, messageStop) {
		return data
	}
	event, err := parseObject(data)
	if err != nil {
		return data
	}
	switch event.Get("type").Str {
	case "message_start":
		s.said.add(event.Get("message.usage"))
	case "message_delta":
		s.said.add(event.Get("usage"))
		s.stopped = s.stopped || event.Get("delta.stop_reason").Type == gjson.String
	case "message_stop":
		s.done = true
	}
	return data
}

// Problem is an error event.
func (s *messagesStream) Problem(body []byte) ([]byte, bool) {
	return s.events.interject("error", bytes.TrimSpace(body)), false
}

// Message is the answer that says text.
func (r *messagesRequest) Message(text Text) (Plain, bool) {
	if r.demandsStructure() {
		return Plain{}, false
	}
	usage := map[string]any{"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
	message := map[string]any{
		"id": "msg_" + text.ID, "type": "message", "role": "assistant", "model": r.Model(), "content": []any{},
		"stop_reason": nil, "stop_sequence": nil, "usage": usage,
	}
	block := map[string]any{"type": "text", "text": text.Content}
	if !r.streamed {
		return wholeMessage(with(message, "content", []any{block}, "stop_reason", "end_turn")), true
	}
	var m streamedMessage
	for _, e := range []map[string]any{
		{"type": "message_start", "message": message},
		{"type": "content_block_start", "index": 0, "content_block": with(block, "text", "")},
		{"type": "content_block_delta", "index": 0, "delta": map[string]any{"type": "text_delta", "text": text.Content}},
		{"type": "content_block_stop", "index": 0},
		{"type": "message_delta", "delta": map[string]any{"stop_reason": "end_turn", "stop_sequence": nil}, "usage": usage},
		{"type": "message_stop"},
	} {
		m.event(e["type"].(string), e)
	}
	return m.plain(), true
}
