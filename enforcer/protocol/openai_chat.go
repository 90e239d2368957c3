package protocol

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// ChatCompletions is OpenAI's Chat Completions API.
type ChatCompletions struct{}

// Protocol is OpenAI.
func (ChatCompletions) Protocol() Protocol { return OpenAI{} }

// Path is where clients find the API.
func (ChatCompletions) Path() string { return "/v1/chat/completions" }

// Operation is chat.
func (ChatCompletions) Operation() string { return "chat" }

// Read reads a request.
func (ChatCompletions) Read(in Incoming) (ParsedRequest, error) {
	r, err := readChat(in.Body, "")
	if err != nil {
		return nil, err
	}
	r.path = func(string) string { return "/chat/completions" }
	return r, nil
}

// maxChoices is the most answers that OpenAI gives to one request.
const maxChoices = 128

// chatRequest is a Chat Completions request that was read.
type chatRequest struct {
	unpriced
	body []byte
	// path is where a model of the given name is asked.
	path func(upstreamName string) string
	// deployment is the model that the path names; empty where the body does.
	deployment string
	input      input
	tier       serviceTier
	// audible is whether the answer may be sound.
	audible bool
	// The members that are rewritten for the provider.
	model, streamOptions, maxTokens, maxCompletionTokens member

	streamed bool
	// usageWanted is whether the client asked for the usage of a stream.
	usageWanted bool
	// maxOutput bounds the output of each choice, and maxOutputParam is the
	// parameter that says so; 0 when none does.
	maxOutput      int64
	maxOutputParam string
	choices        int64
}

// readChat reads a body, which names the model unless a deployment does.
func readChat(body []byte, deployment string) (*chatRequest, *RequestError) {
	root, err := parseBody(body)
	if err != nil {
		return nil, err
	}
	r := &chatRequest{
		body:                body,
		deployment:          deployment,
		model:               member{name: "model"},
		streamOptions:       member{name: "stream_options"},
		maxTokens:           member{name: "max_tokens"},
		maxCompletionTokens: member{name: "max_completion_tokens"},
	}
	n, stream, messages, tools := member{name: "n"}, member{name: "stream"}, member{name: "messages"}, member{name: "tools"}
	tier, modalities, voice := member{name: "service_tier"}, member{name: "modalities"}, member{name: "audio"}
	if err := readMembers(root, &r.model, &messages, &stream, &r.streamOptions, &r.maxTokens, &r.maxCompletionTokens, &n,
		&tools, &tier, &modalities, &voice); err != nil {
		return nil, err
	}
	r.input.callsOnly(&r.model, &stream, &r.streamOptions, &r.maxTokens, &r.maxCompletionTokens, &n, &tier)
	if r.unpriced, err = chatAllowed.check(root); err != nil {
		return nil, err
	}
	for _, err := range []*RequestError{
		r.readModel(),
		r.readStream(&stream),
		r.readBounds(&n),
		r.readTier(&tier),
		r.readModalities(&modalities, &voice),
		readTools(&tools),
		r.readMessages(&messages),
	} {
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *chatRequest) readModel() *RequestError {
	if r.deployment != "" && !r.model.given() {
		return nil
	}
	return r.model.modelName()
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

// noBound is what some clients write for a bound where they want none. It is replaced by the
// one that the call has then.
const noBound = "-1"

// maxOutputTokens is far above what any model gives.
const maxOutputTokens = 1_000_000_000

func (r *chatRequest) readBounds(n *member) (err *RequestError) {
	if r.choices, err = n.integer(1, maxChoices, 1); err != nil {
		return err
	}
	for _, m := range []*member{&r.maxTokens, &r.maxCompletionTokens} {
		if !m.given() || m.value.Raw == noBound {
			continue
		}
		bound, err := m.integer(1, maxOutputTokens, 0)
		switch {
		case err != nil:
			return m.asOutput(err)
		case r.maxOutput != 0 && r.maxOutput != bound:
			return wrong(m.name, "conflicts with %s", r.maxOutputParam)
		}
		r.maxOutput, r.maxOutputParam = bound, m.name
	}
	return nil
}

func (r *chatRequest) readTier(tier *member) (err *RequestError) {
	r.tier, err = readTier(tier)
	return err
}

func (r *chatRequest) readModalities(modalities, voice *member) *RequestError {
	r.audible = voice.given()
	if !modalities.given() {
		return nil
	}
	if !modalities.value.IsArray() {
		return wrong("modalities", "must be an array")
	}
	return eachOf(modalities.value, "modalities", func(modality gjson.Result) *RequestError {
		r.audible = r.audible || modality.Str == "audio"
		return nil
	})
}

// readTools reads tools, whose members and types tools are allowed by.
func readTools(tools *member) *RequestError {
	if !tools.given() {
		return nil
	}
	if !tools.value.IsArray() {
		return wrong("tools", "must be an array")
	}
	return eachOf(tools.value, "tools", func(tool gjson.Result) *RequestError {
		_, err := typeOf(tool)
		return err
	})
}

func (r *chatRequest) readMessages(messages *member) *RequestError {
	if !messages.value.IsArray() {
		return wrong("messages", "must be an array of messages")
	}
	return eachOf(messages.value, "messages", r.readMessage)
}

func (r *chatRequest) readMessage(message gjson.Result) *RequestError {
	if !message.IsObject() {
		return wrong("", "must be an object")
	}
	role, content, audio := member{name: "role"}, member{name: "content"}, member{name: "audio"}
	if err := readMembers(message, &role, &content, &audio); err != nil {
		return err
	}
	if audio.given() {
		r.input.recording()
	}
	verbatim := readAsWritten(role)
	switch {
	case !content.given() || content.value.Type == gjson.String:
		if verbatim {
			r.input.text(content.value)
		}
		return nil
	case !content.value.IsArray():
		return wrong("content", "must be a string or an array of parts")
	}
	return eachOf(content.value, "content", func(part gjson.Result) *RequestError {
		return r.readPart(part, verbatim)
	})
}

// readAsWritten is whether the model reads the text of a message with this role as it
// is. How models read the answers of tools is not documented.
func readAsWritten(role member) bool {
	return role.value.Type == gjson.String && slices.Contains([]string{"system", "developer", "user", "assistant"}, role.value.Str)
}

// readPart reads a part of a message, whose text the model may read verbatim.
func (r *chatRequest) readPart(part gjson.Result, verbatim bool) *RequestError {
	kind, err := typeOf(part)
	if err != nil {
		return err
	}
	switch kind {
	case "text":
		if verbatim {
			r.input.text(part.Get("text"))
		}
		return nil
	case "refusal", "thinking":
		return nil
	case "image_url":
		return r.readImage(part)
	case "input_audio":
		r.input.recording()
		return nil
	case "file":
		r.input.only("a file")
		return nil
	}
	r.input.only("content of an unknown type")
	return nil
}

func (r *chatRequest) readImage(part gjson.Result) *RequestError {
	image, url := member{name: "image_url"}, member{name: "url"}
	if err := readMembers(part, &image); err != nil {
		return err
	}
	if image.value.Type == gjson.String { // as Mistral has it
		r.input.image(image.value)
		return nil
	}
	if !image.value.IsObject() {
		return wrong("image_url", "must be an object with a URL, or a URL")
	}
	if err := readMembers(image.value, &url); err != nil {
		return err.within("image_url")
	}
	r.input.image(url.value)
	return nil
}

// eachOf reads the elements of an array. An error names the element that it is in.
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
func (r *chatRequest) Model() string {
	if r.deployment != "" {
		return r.deployment
	}
	return r.model.value.Str
}

// Streamed is whether the answer is to come as a stream.
func (r *chatRequest) Streamed() bool { return r.streamed }

// For makes the call that asks the model for what the request asks.
func (r *chatRequest) For(model limiterv1.Model, limits OutputLimits) (BoundedCall, error) {
	output, err := limits.within(model, r.maxOutput, cmp.Or(r.maxOutputParam, r.maxCompletionTokens.name))
	if err != nil {
		return BoundedCall{}, err
	}
	bound, err := r.input.usage(r.body, model, imageTokens, output.Tokens*r.choices)
	if err != nil {
		return BoundedCall{}, err
	}
	bound = asWritten(bound, model)
	if r.audible {
		bound.Output, bound.AudioOutput = 0, bound.Output // as if all were sound
	}
	cost, err := dearest(model, bound, r.tier)
	if err != nil {
		return BoundedCall{}, err
	}
	upstreamName := model.UpstreamName
	bill, choices, withUsage := newBill(model, r.tier), r.choices, r.usageWanted // answers must not hold the request
	bill.anyModel = r.deployment != ""
	seen := chatSeen{seen: seen{outlook: outlookOf(r.body, bound, model)}}
	return BoundedCall{
		Path:    r.path(upstreamName),
		Body:    func() []byte { return r.rewritten(upstreamName, output.Tokens) },
		Output:  output,
		Bound:   bound,
		Cost:    cost,
		Dearest: dearestOf(model, r.tier, bound.Uses), Hidden: seen.hidden,
		Whole:  func() Answer { return wholeChat(bill) },
		Stream: func() Answer { return newChatStream(!withUsage, bill, choices, seen) },
	}, nil
}

// rewritten is the body for the provider: it names the model as the provider does,
// bounds the output, and asks for the usage of a stream.
func (r *chatRequest) rewritten(upstreamName string, output int64) []byte {
	changed := rewrite{body: r.body}
	if upstreamName != r.model.value.Str && (r.deployment == "" || r.model.given()) {
		changed.set(&r.model, gjson.AppendJSONString(nil, upstreamName))
	}
	if output != r.maxOutput || r.maxTokens.value.Raw == noBound || r.maxCompletionTokens.value.Raw == noBound {
		r.bound(&changed, output)
	}
	if r.streamed && !r.usageWanted {
		changed.set(&r.streamOptions, r.optionsWithUsage())
	}
	return changed.bytes()
}

// bound bounds the output in every parameter that does, or else in the one that all of
// OpenAI's models know.
func (r *chatRequest) bound(changed *rewrite, output int64) {
	if r.maxTokens.given() {
		changed.set(&r.maxTokens, fmt.Append(nil, output))
	}
	if !r.maxTokens.given() || r.maxCompletionTokens.given() {
		changed.set(&r.maxCompletionTokens, fmt.Append(nil, output))
	}
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
