package provider

import (
	"bytes"
	"fmt"
	"net/http"
	"unicode/utf8"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
)

// ChatCompletions is OpenAI's Chat Completions API.
type ChatCompletions struct{}

// Of is the protocol of the providers that have this API.
func (ChatCompletions) Of() limiterv1.Protocol { return limiterv1.OpenAI }

// Path is where the API is, below a provider's endpoint.
func (ChatCompletions) Path() string { return "/chat/completions" }

// Authorize writes the provider's key into the header of a call.
func (ChatCompletions) Authorize(header http.Header, key string) {
	header.Set("Authorization", "Bearer "+key)
}

// Read reads the body of a request.
func (ChatCompletions) Read(body []byte) (Request, error) {
	r, err := readChat(body)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// maxChoices is the most answers that OpenAI gives to one request.
const maxChoices = 128

// chatRequest is a Chat Completions request that was read.
type chatRequest struct {
	body []byte
	// The members that are rewritten for the provider.
	model, streamOptions, maxCompletionTokens member

	streamed bool
	// usageWanted is whether the client asked for the usage of a stream.
	usageWanted bool
	// maxOutput bounds the output of each choice, and maxOutputParam is the
	// parameter that says so; 0 when none does.
	maxOutput      int64
	maxOutputParam string
	choices        int64
}

func readChat(body []byte) (*chatRequest, *RequestError) {
	if !utf8.Valid(body) {
		return nil, wrong("", "is not UTF-8")
	}
	root, err := parseObject(body)
	if err != nil {
		return nil, err
	}
	r := &chatRequest{
		body:                body,
		model:               member{name: "model"},
		streamOptions:       member{name: "stream_options"},
		maxCompletionTokens: member{name: "max_completion_tokens"},
	}
	maxTokens, n := member{name: "max_tokens"}, member{name: "n"}
	stream, messages, tools := member{name: "stream"}, member{name: "messages"}, member{name: "tools"}
	unbounded := unboundedMembers()
	members := []*member{&r.model, &messages, &stream, &r.streamOptions, &maxTokens, &r.maxCompletionTokens, &n, &tools}
	for i := range unbounded {
		members = append(members, &unbounded[i].member)
	}
	if err := readMembers(root, members...); err != nil {
		return nil, err
	}
	for _, err := range []*RequestError{
		r.readModel(),
		r.readStream(&stream),
		r.readBounds(&maxTokens, &n),
		refuseUnbounded(unbounded),
		readTools(&tools),
		readMessages(&messages),
	} {
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *chatRequest) readModel() *RequestError {
	if r.model.value.Type != gjson.String || r.model.value.Str == "" {
		return wrong("model", "must be the name of a model")
	}
	return nil
}

func (r *chatRequest) readStream(stream *member) (err *RequestError) {
	if r.streamed, err = stream.bool(); err != nil || !r.streamOptions.given() {
		return err
	}
	if !r.streamOptions.value.IsObject() {
		return wrong("stream_options", "must be an object")
	}
	includeUsage := member{name: "include_usage"}
	if err = readMembers(r.streamOptions.value, &includeUsage); err == nil {
		r.usageWanted, err = includeUsage.bool()
	}
	if err != nil {
		return err.within("stream_options")
	}
	return nil
}

// maxOutputTokens is far above what any model gives.
const maxOutputTokens = 1_000_000_000

func (r *chatRequest) readBounds(maxTokens, n *member) (err *RequestError) {
	if r.choices, err = n.integer(1, maxChoices, 1); err != nil {
		return err
	}
	for _, m := range []*member{maxTokens, &r.maxCompletionTokens} {
		if !m.given() {
			continue
		}
		bound, err := m.integer(1, maxOutputTokens, 0)
		switch {
		case err != nil:
			return err
		case r.maxOutput != 0 && r.maxOutput != bound:
			return wrong(m.name, "contradicts %s", r.maxOutputParam)
		}
		r.maxOutput, r.maxOutputParam = bound, m.name
	}
	return nil
}

// unboundedMember is a member that can make a call cost what is not bounded here.
type unboundedMember struct {
	member
	reason string
	// harmless is whether a value costs nothing beyond the bound; nil when only null does.
	harmless func(gjson.Result) bool
}

func unboundedMembers() []unboundedMember {
	const separately = "it is billed separately"
	return []unboundedMember{
		{member{name: "modalities"}, "only text is", onlyText},
		{member{name: "audio"}, "only text is", nil},
		{member{name: "service_tier"}, "only the default tier is", defaultTier},
		{member{name: "prediction"}, "rejected predictions are billed beyond max_completion_tokens", nil},
		{member{name: "web_search_options"}, separately, nil},
		// What some compatible providers add.
		{member{name: "search_parameters"}, separately, nil},
		{member{name: "plugins"}, separately, nil},
		{member{name: "models"}, "another model has other prices", nil},
	}
}

func onlyText(modalities gjson.Result) bool {
	kinds := modalities.Array()
	return modalities.IsArray() && len(kinds) == 1 && kinds[0].Type == gjson.String && kinds[0].Str == "text"
}

func defaultTier(tier gjson.Result) bool {
	return tier.Type == gjson.String && (tier.Str == "auto" || tier.Str == "default")
}

func refuseUnbounded(members []unboundedMember) *RequestError {
	for _, m := range members {
		if m.given() && (m.harmless == nil || !m.harmless(m.value)) {
			return unsupported(m.name, m.reason)
		}
	}
	return nil
}

// readTools refuses tools that the provider itself runs, and bills for.
func readTools(tools *member) *RequestError {
	if !tools.given() {
		return nil
	}
	if !tools.value.IsArray() {
		return wrong("tools", "must be an array")
	}
	return eachOf(tools.value, "tools", func(tool gjson.Result) *RequestError {
		return readType(tool, "function", "custom")
	})
}

// readMessages refuses content other than text: a short reference to an image, a
// recording or a file can stand for any number of tokens.
func readMessages(messages *member) *RequestError {
	if !messages.value.IsArray() {
		return wrong("messages", "must be an array of messages")
	}
	return eachOf(messages.value, "messages", readMessage)
}

func readMessage(message gjson.Result) *RequestError {
	if !message.IsObject() {
		return wrong("", "must be an object")
	}
	content, audio := member{name: "content"}, member{name: "audio"}
	if err := readMembers(message, &content, &audio); err != nil {
		return err
	}
	switch {
	case audio.given():
		return unsupported("audio", "only text is")
	case !content.given() || content.value.Type == gjson.String:
		return nil
	case !content.value.IsArray():
		return wrong("content", "must be a string or an array of parts")
	}
	return eachOf(content.value, "content", func(part gjson.Result) *RequestError {
		return readType(part, "text", "refusal")
	})
}

// readType refuses an object whose type is none of those given.
func readType(object gjson.Result, types ...string) *RequestError {
	if !object.IsObject() {
		return wrong("", "must be an object")
	}
	kind := member{name: "type"}
	if err := readMembers(object, &kind); err != nil {
		return err
	}
	for _, t := range types {
		if kind.value.Type == gjson.String && kind.value.Str == t {
			return nil
		}
	}
	return unsupported("type", fmt.Sprintf("only %q and %q are", types[0], types[1]))
}

// eachOf reads the elements of an array, and says of an error in which it is.
func eachOf(array gjson.Result, name string, read func(gjson.Result) *RequestError) *RequestError {
	var err *RequestError
	i := 0
	array.ForEach(func(_, element gjson.Result) bool {
		if err = read(element); err != nil {
			err = err.within(fmt.Sprintf("%s[%d]", name, i))
		}
		i++
		return err == nil
	})
	return err
}

// Model is the model that is asked for.
func (r *chatRequest) Model() string { return r.model.value.Str }

// Streamed is whether the answer is to come as a stream.
func (r *chatRequest) Streamed() bool { return r.streamed }

// For makes the call that asks the model for what the request asks.
func (r *chatRequest) For(model limiterv1.Model, assumedOutput int64) (Call, error) {
	bound, err := r.bound(model, assumedOutput)
	if err != nil {
		return Call{}, err
	}
	cost, noCost := dearest(model, bound)
	if noCost != nil {
		return Call{}, noCost
	}
	return Call{
		Body:   r.rewritten(model, bound.Output/r.choices),
		Bound:  bound,
		Cost:   cost,
		Whole:  func() Answer { return &chatAnswer{} },
		Stream: func() Answer { return newChatStream(!r.usageWanted) },
	}, nil
}

// bound is the most tokens that the call can use.
//
// Every input token stands for at least one byte of the text that the model
// reads, and every byte of that text is in the body, in which JSON can only make
// it longer; what the provider's template puts around messages and tools is
// shorter than the JSON around them. So the input is bounded by the length of the
// body, for every tokenizer, without running one.
func (r *chatRequest) bound(model limiterv1.Model, assumedOutput int64) (price.Usage, error) {
	output := r.maxOutput
	switch {
	case model.MaxOutputTokens == 0:
		return price.Usage{}, wrong("model", "%s has no output: it is for embeddings alone", model.Name)
	case output == 0:
		output = assumed(model, assumedOutput)
	case output > model.MaxOutputTokens:
		return price.Usage{}, wrong(r.maxOutputParam, "is above the %d tokens that %s may give", model.MaxOutputTokens, model.Name)
	}
	return price.Usage{Input: model.BoundInput(int64(len(r.body))), Output: output * r.choices}, nil
}

// assumed is the bound of a call that names none.
func assumed(model limiterv1.Model, assumedOutput int64) int64 {
	if assumedOutput == 0 {
		return model.MaxOutputTokens
	}
	return min(assumedOutput, model.MaxOutputTokens)
}

// rewritten is the body for the provider: it names the model as the provider does,
// bounds the output, and asks for the usage of a stream.
func (r *chatRequest) rewritten(model limiterv1.Model, output int64) []byte {
	changed := rewrite{body: r.body}
	if model.UpstreamName != r.Model() {
		changed.set(&r.model, gjson.AppendJSONString(nil, model.UpstreamName))
	}
	if r.maxOutput == 0 {
		changed.set(&r.maxCompletionTokens, fmt.Append(nil, output))
	}
	if r.streamed && !r.usageWanted {
		changed.set(&r.streamOptions, r.optionsWithUsage())
	}
	return changed.bytes()
}

func (r *chatRequest) optionsWithUsage() []byte {
	options := []byte("{}")
	if r.streamOptions.given() {
		options = []byte(r.streamOptions.value.Raw)
	}
	// The options are a valid object, into which a member can always be set.
	options, _ = sjson.SetRawBytes(options, "include_usage", []byte("true"))
	return options
}

// maxAnswer is the size of the largest whole answer whose usage is read.
const maxAnswer = 64 << 20

// chatAnswer is a whole answer.
type chatAnswer struct {
	body       []byte
	cut, large bool
}

func (a *chatAnswer) Pass(chunk []byte) []byte {
	if a.large = a.large || len(a.body)+len(chunk) > maxAnswer; !a.large {
		a.body = append(a.body, chunk...)
	}
	return chunk
}

func (a *chatAnswer) End(cut bool) []byte   { a.cut = cut; return nil }
func (a *chatAnswer) Unfinished() bool      { return a.cut }
func (a *chatAnswer) Problem([]byte) []byte { return nil }

func (a *chatAnswer) Usage() (price.Usage, bool) {
	if a.cut || a.large {
		return price.Usage{}, false
	}
	root, err := parseObject(a.body)
	if err != nil {
		return price.Usage{}, false
	}
	return chatUsage(root.Get("usage"))
}

// chatStream is a streamed answer.
//
// Where the client did not ask for the usage, it sees what it would have seen had
// nobody asked: the extra chunk with the usage is left out, and of all others the
// "usage":null that came with asking.
type chatStream struct {
	events eventStream
	hide   bool

	cut, done bool
	usage     gjson.Result
	// last is whether usage came in the extra chunk, after which there is no more
	// of it; elsewhere it may be a running total.
	last bool
}

func newChatStream(hideUsage bool) *chatStream {
	s := &chatStream{hide: hideUsage}
	s.events = eventStream{read: s.read, changing: hideUsage}
	return s
}

func (s *chatStream) Pass(chunk []byte) []byte { return s.events.pass(chunk) }

func (s *chatStream) End(cut bool) []byte {
	s.cut = cut
	return s.events.end(cut)
}

// Unfinished is whether the stream ended before its end. Some compatible providers
// do not close a stream with [DONE], but then with the usage that was asked for.
func (s *chatStream) Unfinished() bool { return s.cut || !s.done && !s.last }

func (s *chatStream) Problem(body []byte) []byte { return s.events.interject(body) }

func (s *chatStream) Usage() (price.Usage, bool) {
	if s.Unfinished() && !s.last {
		return price.Usage{}, false
	}
	return chatUsage(s.usage)
}

var (
	doneData  = []byte("[DONE]")
	usageName = []byte(`"usage"`)
)

func (s *chatStream) read(data []byte) []byte {
	if bytes.Equal(data, doneData) {
		s.done = true
	}
	if !bytes.Contains(data, usageName) {
		return data // nearly all chunks, at the price of one search
	}
	return s.readUsage(data)
}

func (s *chatStream) readUsage(data []byte) []byte {
	usage := gjson.GetBytes(data, "usage")
	if usage.Type == gjson.Null {
		return s.withoutNull(data, usage)
	}
	chunk, err := parseObject(data)
	if err != nil || !usage.IsObject() {
		return data
	}
	choices := chunk.Get("choices")
	s.usage, s.last = usage, choices.IsArray() && len(choices.Array()) == 0
	if s.last && s.hide {
		return nil
	}
	return data
}

// withoutNull takes "usage":null out of a chunk, in place.
func (s *chatStream) withoutNull(data []byte, null gjson.Result) []byte {
	start, end := bytes.LastIndex(data[:null.Index], usageName), null.Index+len(null.Raw)
	if !s.hide || null.Raw != "null" || start < 0 || len(bytes.Trim(data[start+len(usageName):null.Index], ": \t")) > 0 {
		return data
	}
	before, after := bytes.TrimRight(data[:start], " \t"), bytes.TrimLeft(data[end:], " \t")
	switch {
	case bytes.HasSuffix(before, []byte{','}):
		start = len(before) - 1
	case bytes.HasPrefix(after, []byte{','}):
		end = len(data) - len(after) + 1
	}
	return append(data[:start], data[end:]...)
}

// chatUsage reads a usage, and whether it can be believed.
func chatUsage(usage gjson.Result) (price.Usage, bool) {
	prompt, ok := wholeNumber(usage.Get("prompt_tokens"))
	completion, alsoOK := wholeNumber(usage.Get("completion_tokens"))
	if !ok || !alsoOK {
		return price.Usage{}, false
	}
	var cached int64 // no details, nothing cached
	if tokens := usage.Get("prompt_tokens_details.cached_tokens"); tokens.Type != gjson.Null {
		if cached, ok = wholeNumber(tokens); !ok {
			return price.Usage{}, false
		}
	}
	// Some compatible providers leave the model's thoughts, which they bill as
	// output, out of completion_tokens and in total_tokens. A usage of nothing at
	// all stays nothing.
	if total, ok := wholeNumber(usage.Get("total_tokens")); ok && prompt+completion > 0 {
		completion = max(completion, total-prompt)
	}
	used := price.Usage{Input: prompt - cached, CachedInput: cached, Output: completion}
	if used.Validate() != nil {
		return price.Usage{}, false
	}
	return used, true
}
