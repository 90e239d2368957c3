package protocol

import (
	"net/url"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
)

// helper is a request that providers bill nothing for, such as to count the tokens of another:
// its model runs nothing. It is a call like any other, so that rate limits count it and the
// ledger has it, except that its bound and cost are 0. What it asks for does not matter.
type helper struct {
	unpriced
	body []byte
	// model is the model that is asked for, and member where the body says so. inPath is whether
	// the path says so instead.
	model  string
	member member
	inPath bool
	// path is where the provider is asked.
	path func(upstreamName string) string
	// rename writes the model's name at the provider into the body, if the body does not have it
	// in member.
	rename func(body []byte, upstreamName string) []byte
}

// readHelper reads a helper whose body names the model.
func readHelper(body []byte, path string) (*helper, error) {
	r := &helper{body: body, member: member{name: "model"}, path: func(string) string { return path }}
	root, err := parseBody(body)
	if err == nil {
		err = readMembers(root, &r.member)
	}
	if err == nil {
		err = r.member.modelName()
	}
	if err != nil {
		return nil, err
	}
	r.model = r.member.value.Str
	return r, nil
}

func (r *helper) Model() string  { return r.model }
func (r *helper) Streamed() bool { return false }

func (r *helper) For(model limiterv1.Model, _ OutputLimits) (BoundedCall, error) {
	tier := serviceTier{asked: price.Default}
	body := func() []byte { return r.rewritten(model) }
	return BoundedCall{Path: r.path(model.UpstreamName), Body: body, Dearest: dearestOf(model, tier, ""), Whole: unbilled, Stream: unbilled}, nil
}

// rewritten is the body for the provider, which names the model as the provider does.
func (r *helper) rewritten(model limiterv1.Model) []byte {
	changed := rewrite{body: r.body}
	if !r.inPath && model.UpstreamName != r.model {
		changed.set(&r.member, gjson.AppendJSONString(nil, model.UpstreamName))
	}
	if r.rename != nil {
		return r.rename(changed.bytes(), model.UpstreamName)
	}
	return changed.bytes()
}

// unbilled reads an answer that costs nothing, whatever it says.
func unbilled() Answer {
	return newWholeAnswer(bill{}, "model", func(*memberScanner) reading { return reading{} })
}

// Message is none: only the provider knows the answer.
func (r *helper) Message(Text) (Plain, bool) { return Plain{}, false }

// CountTokens is Anthropic's API that counts the tokens of a message.
type CountTokens struct{}

// Protocol is Anthropic.
func (CountTokens) Protocol() Protocol { return Anthropic{} }

// Path is where clients find the API.
func (CountTokens) Path() string { return "/v1/messages/count_tokens" }

// Operation is count_tokens.
func (CountTokens) Operation() string { return "count_tokens" }

// Read reads a request.
func (CountTokens) Read(in Incoming) (ParsedRequest, error) {
	return parsedHelper(readHelper(in.Body, "/messages/count_tokens"))
}

// ResponsesInputTokens is OpenAI's API that counts the tokens of the input of a response.
type ResponsesInputTokens struct{}

// Protocol is OpenAI.
func (ResponsesInputTokens) Protocol() Protocol { return OpenAI{} }

// Path is where clients find the API.
func (ResponsesInputTokens) Path() string { return "/v1/responses/input_tokens" }

// Operation is count_tokens.
func (ResponsesInputTokens) Operation() string { return "count_tokens" }

// Read reads a request.
func (ResponsesInputTokens) Read(in Incoming) (ParsedRequest, error) {
	return parsedHelper(readHelper(in.Body, "/responses/input_tokens"))
}

// parsedHelper keeps a nil *helper from being a ParsedRequest.
func parsedHelper(r *helper, err error) (ParsedRequest, error) {
	if err != nil {
		return nil, err
	}
	return r, nil
}

// GeminiCountTokens is the Gemini API's countTokens.
type GeminiCountTokens struct{}

// Protocol is Gemini.
func (GeminiCountTokens) Protocol() Protocol { return Gemini{} }

// Path is where clients find the API.
func (GeminiCountTokens) Path() string { return "/v1beta/models/" + wildcard + ":countTokens" }

// Operation is count_tokens.
func (GeminiCountTokens) Operation() string { return "count_tokens" }

// Read reads a request. It may have a whole request for content in it, which names the model once
// more.
func (GeminiCountTokens) Read(in Incoming) (ParsedRequest, error) {
	root, err := parseBody(in.Body)
	if err != nil {
		return nil, err
	}
	request, model := member{name: "generateContentRequest"}, member{name: "model"}
	if err := readProtoMembers(root, &request); err != nil {
		return nil, err
	}
	if request.given() {
		if !request.value.IsObject() {
			return nil, wrong(request.name, "must be an object")
		}
		if err := readProtoMembers(request.value, &model); err != nil {
			return nil, err.within(request.name)
		}
		if model.given() && strings.TrimPrefix(model.value.Str, modelsPrefix) != in.Model {
			return nil, unsupported("model", "the model is named in the path").within(request.name)
		}
	}
	r := &helper{body: in.Body, model: in.Model, inPath: true}
	r.path = func(name string) string { return "/models/" + url.PathEscape(name) + ":countTokens" }
	if model.given() {
		nested := "generateContentRequest.model"
		if !root.Get("generateContentRequest").Exists() {
			nested = "generate_content_request.model"
		}
		r.rename = func(body []byte, name string) []byte {
			renamed, err := sjson.SetBytes(body, nested, modelsPrefix+name)
			if err != nil {
				return body // it was read: there is such an object
			}
			return renamed
		}
	}
	return r, nil
}
