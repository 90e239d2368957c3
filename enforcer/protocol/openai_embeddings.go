package protocol

import (
	"github.com/tidwall/gjson"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
)

// Embeddings is OpenAI's Embeddings API.
type Embeddings struct{}

// Protocol is OpenAI.
func (Embeddings) Protocol() Protocol { return OpenAI{} }

// Path is where clients find the API.
func (Embeddings) Path() string { return "/v1/embeddings" }

// Operation is embeddings.
func (Embeddings) Operation() string { return "embeddings" }

// Read reads a request.
func (Embeddings) Read(in Incoming) (ParsedRequest, error) {
	r, err := readEmbeddings(in.Body, "")
	if err != nil {
		return nil, err
	}
	r.path = func(string) string { return "/embeddings" }
	return r, nil
}

// embeddingsRequest is an Embeddings request that was read.
type embeddingsRequest struct {
	unpriced
	body       []byte
	path       func(upstreamName string) string
	deployment string
	model      member
	input      input
}

func readEmbeddings(body []byte, deployment string) (*embeddingsRequest, *RequestError) {
	root, err := parseBody(body)
	if err != nil {
		return nil, err
	}
	r := &embeddingsRequest{body: body, deployment: deployment, model: member{name: "model"}}
	input, messages, stream := member{name: "input"}, member{name: "messages"}, member{name: "stream"}
	if err := readMembers(root, &r.model, &input, &messages, &stream); err != nil {
		return nil, err
	}
	if r.unpriced, err = embeddingsAllowed.check(root); err != nil {
		return nil, err
	}
	if deployment == "" || r.model.given() {
		if err := r.model.modelName(); err != nil {
			return nil, err
		}
	}
	switch {
	case messages.given():
		return nil, unsupported("messages", "use input") // what some compatible providers add
	case stream.given():
		return nil, unsupported("stream", "embeddings cannot be streamed")
	}
	if err := r.readInput(input.value); err != nil {
		return nil, err
	}
	return r, nil
}

var embeddingsAllowed = allowed{
	"model": bounded, "input": bounded, "messages": bounded, "stream": bounded,
	"dimensions": free, "encoding_format": free, "user": free,
}

// readInput takes a text, a text as tokens, or an array of either. Where a text is
// given as tokens, each has at least a digit and a comma in the body, so that the
// length of the body bounds them, too.
func (r *embeddingsRequest) readInput(in gjson.Result) *RequestError {
	if in.Type == gjson.String {
		r.input.text(in)
		return nil
	}
	if !in.IsArray() {
		return wrong("input", "must be a string or an array of strings or of tokens")
	}
	return eachOf(in, "input", func(element gjson.Result) *RequestError {
		if element.IsArray() {
			return eachOf(element, "", readToken)
		}
		if element.Type == gjson.String {
			r.input.text(element)
			return nil
		}
		return readToken(element)
	})
}

func readToken(token gjson.Result) *RequestError {
	if _, ok := wholeNumber(token); !ok {
		return wrong("", "must be a string or a token (a whole number)")
	}
	return nil
}

func (r *embeddingsRequest) Model() string {
	if r.deployment != "" {
		return r.deployment
	}
	return r.model.value.Str
}

func (r *embeddingsRequest) Streamed() bool { return false }

func (r *embeddingsRequest) For(model limiterv1.Model, _ OutputLimits) (BoundedCall, error) {
	bound := price.Usage{Input: int64(len(r.body)) - r.input.saved(model.Tokenizer)}
	if !r.severalInputs() { // the window is that of one input
		bound.Input = model.BoundInput(bound.Input)
	}
	cost, err := dearest(model, bound, serviceTier{asked: price.Default})
	if err != nil {
		return BoundedCall{}, err
	}
	changed := rewrite{body: r.body}
	if model.UpstreamName != r.model.value.Str && (r.deployment == "" || r.model.given()) {
		changed.set(&r.model, gjson.AppendJSONString(nil, model.UpstreamName))
	}
	bill := newBill(model, serviceTier{asked: price.Default}) // answers must not hold the request
	bill.anyModel = r.deployment != ""
	whole := func() Answer { return wholeEmbeddings(bill) }
	return BoundedCall{Path: r.path(model.UpstreamName), Body: changed.bytes, Bound: bound, Cost: cost, Dearest: dearestOf(model, serviceTier{asked: price.Default}, bound.Uses), Whole: whole, Stream: whole}, nil
}

// embeddingsKnown are the members of OpenAI's usage, and what others add that is the same.
var embeddingsKnown = knownMembers{
	"prompt_tokens": counted, "total_tokens": counted,
	"prompt_tokens_details": {"cached_tokens": neutral, "text_tokens": neutral},
}.plus(costKnown)

func wholeEmbeddings(b bill) Answer {
	return newWholeAnswer(b, "model", func(members *memberScanner) reading {
		n := numbers{of: members.member("usage")}
		used := price.Usage{Input: n.must("prompt_tokens")}
		if total := n.may("total_tokens"); total > 0 && total != used.Input {
			n.doubtOf("its total_tokens is %d, and its prompt_tokens are %d", total, used.Input)
		}
		return b.judge(&n, statement{usage: n.of, known: embeddingsKnown, used: used, model: members.member("model")})
	}, "usage")
}

func (r *embeddingsRequest) severalInputs() bool {
	return gjson.GetBytes(r.body, "input.1").Exists()
}

// Message is none: an embedding says nothing.
func (r *embeddingsRequest) Message(Text) (Plain, bool) { return Plain{}, false }
