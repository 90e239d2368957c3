package protocol

import (
	"bytes"
	"fmt"
	"maps"
	"net/textproto"
	"slices"
	"strings"

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
	for _, unpriced := range in.headerUnpriced(betaField, anthropicBetas) {
		unpriced.LeftOut = unpriced.Field == betaField+"="+longContext
		r.unpriced = append(r.unpriced, unpriced)
	}
	r.betas = in.headerValues(betaField)
	return r, nil
}

// betaField is the field of a request's header that asks for what is not in every call.
const betaField = "anthropic-beta"

// headerFor is the header for the model, where it differs from the client's.
func (r *messagesRequest) headerFor(model limiterv1.Model) Header {
	kept := slices.DeleteFunc(slices.Clone(r.betas), func(beta string) bool { return beta == longContext })
	if len(kept) == len(r.betas) || model.ContextWindow >= longWindow {
		return nil
	}
	name := textproto.CanonicalMIMEHeaderKey(betaField)
	if len(kept) == 0 {
		return Header{name: nil}
	}
	return Header{name: {strings.Join(kept, ",")}}
}

// anthropicImage is the most tokens that one image is for any model of Anthropic's.
func anthropicImage(limiterv1.Model) int64 { return largestAnthropicImage }

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
	// run are the tools that the provider runs for a fee, and searches is whether it may search
	// among the tools of the request: the model reads the input again after each use.
	run      []providerTool
	searches bool
	// continues is whether the request goes on with a thread, of which the provider keeps all
	// that was said, and the tools.
	continues bool
	// betas are what the header asks for.
	betas []string
	// geo and speed are members that multiply the price.
	geo, speed member
	// definition is the length of the longest definition of a tool, and references how many
	// references to one there are, in whose place the provider puts it.
	definition, references int64
}

func readMessagesRequest(body []byte) (*messagesRequest, *RequestError) {
	root, err := parseBody(body)
	if err != nil {
		return nil, err
	}
	r := &messagesRequest{
		body: body, model: member{name: "model"}, maxOutput: member{name: "max_tokens"}, writes: cacheWrites(body, root),
		geo: member{name: "inference_geo"}, speed: member{name: "speed"},
	}
	messages, system, thinking := member{name: "messages"}, member{name: "system"}, member{name: "thinking"}
	tools, stream, tier := member{name: "tools"}, member{name: "stream"}, member{name: "service_tier"}
	thread := member{name: threadMember}
	if err := readMembers(root, &r.model, &r.maxOutput, &messages, &system, &tools, &stream, &tier, &thinking, &r.geo, &r.speed, &thread); err != nil {
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
		r.model.modelName(), r.readScalars(&stream, &tier), r.readTools(&tools), r.readContent(&system), r.readThread(&thread),
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

// cacheWrites is the dearest kind that input of the request may be. Where the body has no
// word of writing to the cache, not even in an escape, nothing is written.
func cacheWrites(body []byte, root gjson.Result) price.Kind {
	if !bytes.Contains(body, []byte("cache_control")) && !bytes.Contains(body, []byte(`\u00`)) {
		return price.Input
	}
	return writesOf(root)
}

// writesOf is the dearest kind that any member cache_control makes of input, wherever it
// stands. A lifetime that is not known is an hour.
func writesOf(value gjson.Result) price.Kind {
	writes := price.Input
	value.ForEach(func(key, member gjson.Result) bool {
		of := price.Input
		switch ttl := member.Get("ttl"); {
		case member.Type == gjson.Null || !member.IsObject() && !member.IsArray():
		case key.Str != "cache_control":
			of = writesOf(member)
		case ttl.Type == gjson.Null || ttl.Str == "5m":
			of = price.CacheWrite5m
		default:
			of = price.CacheWrite1h
		}
		if of == price.CacheWrite1h || writes == price.Input {
			writes = of
		}
		return writes != price.CacheWrite1h
	})
	return writes
}

func (r *messagesRequest) readScalars(stream, tier *member) (err *RequestError) {
	if r.maxTokens, err = r.maxOutput.integer(0, maxOutputTokens, 0); err != nil {
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
	return eachOf(tools.value, "tools", r.readTool)
}

func (r *messagesRequest) readTool(tool gjson.Result) *RequestError {
	kind, err := typeOf(tool)
	if err != nil {
		return err
	}
	r.definition = max(r.definition, int64(len(tool.Raw)))
	if kind == "" || kind == "custom" {
		return nil
	}
	r.input.extra += ownTool
	r.searches = r.searches || strings.HasPrefix(kind, "tool_search_tool_")
	fee := messagesTools.byType[kind].fee
	if fee == "" {
		return nil
	}
	run := providerTool{fee: fee, begins: tool.Index, uses: member{name: maxUses}}
	if err := readMembers(tool, &run.uses); err != nil {
		return err
	}
	run.most, err = run.uses.integer(1, price.MaxTokens, 0)
	r.run = append(r.run, run)
	return err
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
	case "tool_reference":
		r.references++
		return nil
	case "tool_search_tool_result":
		r.references += int64(len(content.value.Get("tool_references").Array()))
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
	uses := r.usesFor(model) // requests are bound for several models
	bound, err := r.bound(model, uses, output.Tokens)
	if err != nil {
		return BoundedCall{}, err
	}
	cost, err := dearest(model, bound, r.tier)
	if err != nil {
		return BoundedCall{}, err
	}
	bounded := bound.Uses
	bound.Uses = price.UsesOf(uses)
	changed := rewrite{body: r.body}
	if model.UpstreamName != r.Model() {
		changed.set(&r.model, gjson.AppendJSONString(nil, model.UpstreamName))
	}
	if output.Tokens != r.maxTokens {
		changed.set(&r.maxOutput, fmt.Append(nil, output.Tokens))
	}
	for _, tool := range r.run {
		tool.bindTo(model, &changed)
	}
	usage := newMessagesUsage(newBill(model, r.tier), r.writesFor(model), r.maxTokens == 0) // answers must not hold the request
	seen := messagesSeen{seen: seen{outlook: messagesOutlook(r.body, bound, model)}}
	return BoundedCall{
		Path: "/messages", Header: r.headerFor(model), Body: changed.bytes, Output: output, Bound: bound, Cost: cost,
		Dearest: dearestOf(model, r.tier, bounded), Hidden: seen.hidden,
		Whole: func() Answer {
			return newWholeAnswer(usage.bill, "model", func(members *memberScanner) reading {
				u := usage
				for _, name := range pricedBy {
					u.noteBeside(name, members.member(name))
				}
				u.add(members.member("usage"))
				u.model = members.member("model")
				return u.reading()
			}, append([]string{"usage"}, pricedBy...)...)
		},
		Stream: func() Answer { return newMessagesStream(usage, seen) },
	}, nil
}

// outputWithin bounds the output; there is none where only the cache is to be filled.
// Anthropic takes only a max_tokens above what the model may think, except where a request
// that has less says that it may think between calls of tools.
func (r *messagesRequest) outputWithin(model limiterv1.Model, limits OutputLimits) (OutputBound, *RequestError) {
	if r.maxOutput.given() && r.maxTokens == 0 {
		return OutputBound{}, nil
	}
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

func (r *messagesRequest) bound(model limiterv1.Model, uses map[string]int64, output int64) (price.Usage, *RequestError) {
	in := r.input
	in.extra += r.references * r.definition
	if len(uses) > 0 {
		in.only("a tool that the provider runs")
	}
	if r.continues && model.ContextWindow == 0 {
		return price.Usage{}, unsupported(threadMember,
			"its earlier messages are billed as input, which only a contextWindow bounds, and model "+model.Name+" has none in its ModelProvider")
	}
	bound, err := in.usage(r.body, model, anthropicImage, output)
	if err != nil {
		return price.Usage{}, err
	}
	writes := r.writesFor(model)
	if rounds := r.rounds(uses); rounds > 1 {
		each := bound.Input
		if in.unknown == "" {
			// What the request has, the output until then, and the definitions of tools that
			// were found, each of which the request has.
			each = model.BoundInput(2*bound.Input + bound.Output)
		}
		bound.Input = min(rounds*each, price.MaxTokens)
		writes = dearerOf(writes, price.CacheWrite5m) // between rounds, the provider writes by itself
	}
	bound.Uses, bound.Properties = boundedUses(uses, model), r.propertiesFor(model)
	return written(bound, writes, model), nil
}

// maxRounds is how often Anthropic has the model read the input at the most, before it pauses
// the turn.
const maxRounds = 10

// rounds is how often the model may read the input: once more after each use of a tool that
// the provider runs, and of a search among tools, which nothing counts.
func (r *messagesRequest) rounds(uses map[string]int64) int64 {
	rounds := int64(1)
	for _, n := range uses {
		rounds += min(n, maxRounds)
	}
	if r.searches {
		rounds = maxRounds
	}
	return min(rounds, maxRounds)
}

// written is a bound of input in which all may be written to the cache. A model without any
// price for what is written has none of that.
func written(bound price.Usage, writes price.Kind, model limiterv1.Model) price.Usage {
	priced5m, priced1h := model.Prices.Offers(price.CacheWrite5m), model.Prices.Offers(price.CacheWrite1h)
	switch {
	case writes == price.Input || !priced5m && !priced1h:
	case writes == price.CacheWrite1h || !priced5m:
		bound.Input, bound.CacheWrite1h = 0, bound.Input
	default:
		bound.Input, bound.CacheWrite5m = 0, bound.Input
	}
	return bound
}

func dearerOf(a, b price.Kind) price.Kind {
	if a == price.CacheWrite1h {
		return a
	}
	return b
}

// propertiesFor are those that the request names, as the model's prices know them. What they
// do not know was passed on without a bound.
func (r *messagesRequest) propertiesFor(model limiterv1.Model) price.Properties {
	values := map[string]string{}
	for _, m := range []member{r.geo, r.speed} {
		if !m.given() {
			continue
		}
		values[m.name] = propertyOf(m.name, m.value.Str)
		if !model.Prices.Multiplies(m.name, values[m.name]) {
			values[m.name] = ""
		}
	}
	return price.PropertiesOf(values)
}

// messagesStream is a streamed answer. Nothing is changed.
//
// Input is known from the start, output at the end alone: of an answer that was cut
// before it, only what was seen of it is known.
type messagesStream struct {
	events eventStream
	seen   messagesSeen

	said messagesUsage
	// told is whether a usage has come that is not that of the start alone; stopped, whether
	// it was that of the whole answer; done, whether the stream has ended as it should.
	told, stopped bool
	// since is whether output has come after the usage, which was a running one then.
	since     bool
	cut, done bool
}

func newMessagesStream(usage messagesUsage, seen messagesSeen) *messagesStream {
	s := &messagesStream{said: usage, seen: seen}
	s.events = eventStream{arrive: s.seen.arrive, read: s.read, tap: s.seen.event, again: s.again}
	s.events.varies = func(data []byte) []varying { return s.seen.varies(data, "", "") }
	return s
}

func (s *messagesStream) Pass(chunk []byte) []byte { return s.events.pass(chunk) }
func (s *messagesStream) End(cut bool) []byte      { s.cut = cut; return s.events.end(cut) }

// Unfinished is whether the stream ended before its end. Some compatible providers do not
// close a stream with message_stop, but then with the reason for which the model stopped.
func (s *messagesStream) Unfinished() bool { return !s.done && (s.cut || !s.stopped || s.since) }

func (s *messagesStream) Usage() (price.Usage, bool) { return s.reading().usage() }
func (s *messagesStream) Doubt() string              { return s.reading().doubt }
func (s *messagesStream) AtLeast() price.Usage       { return s.reading().used }

func (s *messagesStream) reading() reading {
	switch {
	case !s.stopped && !s.done:
		return reading{doubt: doubtCut}
	case !s.told:
		return doubted("it has no usage at its end")
	case s.since:
		return s.said.reading().running()
	}
	return s.said.reading()
}

func (s *messagesStream) Progress() Progress { return s.seen.progress(s.events.open()) }

func (s *messagesStream) Seen(cut Cut) (price.Usage, bool) {
	if s.said.bill.isPricedApart(s.said.model.Str) {
		return price.Usage{}, false
	}
	soFar := s.said
	if _, told := soFar.members["output_tokens"]; !told && len(soFar.members) > 0 {
		soFar.members = maps.Clone(soFar.members)
		soFar.members["output_tokens"] = gjson.Parse("1") // it is told at the end, and none is less
	}
	told, ok := soFar.reading().usage()
	s.seen.named = soFar.namedProperties()
	return s.seen.most(told, ok, &s.events, cut)
}

var (
	messageStop  = []byte(`"message_stop"`)
	messageDelta = []byte(`"message_delta"`)
	contentDelta = []byte(`"content_block_delta"`)
)

// again takes an event that says what one before it said, except for its text.
func (s *messagesStream) again(v values) {
	s.seen.again(v.text)
	s.since = s.since || s.told
}

func (s *messagesStream) read(data []byte) hidden {
	s.since = s.since || s.told && (s.seen.frame.spoke || bytes.Contains(data, contentDelta))
	if !bytes.Contains(data, usageName) && !bytes.Contains(data, messageStop) && !bytes.Contains(data, messageDelta) {
		return hidden{}
	}
	event, err := parseEvent(data)
	if err != nil {
		return hidden{}
	}
	switch event.Get("type").Str {
	case "message_start":
		s.said.addFrom(event.Get("message"))
		delete(s.said.members, "output_tokens") // of output, it says nothing yet
		s.said.model = event.Get("message.model")
	case "message_delta":
		usage := event.Get("usage")
		s.said.addFrom(event)
		s.said.addBeside(event.Get("delta"))
		if usage.Get("output_tokens").Exists() {
			s.told, s.since = true, s.since && !countsSomething(usage)
		}
		s.stopped = s.stopped || event.Get("delta.stop_reason").Type == gjson.String
	case "message_stop":
		s.done = true
	}
	return hidden{}
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
