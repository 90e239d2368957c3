package protocol

import (
	"github.com/tidwall/gjson"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
)

// VercelEmbeddingModel is a call of an embedding model by Vercel's AI Gateway, in one version.
type VercelEmbeddingModel struct{ version vercelVersion }

// Protocol is VercelAIGateway.
func (VercelEmbeddingModel) Protocol() Protocol { return VercelAIGateway{} }

// Path is where clients find the API.
func (e VercelEmbeddingModel) Path() string { return e.version.base + "/embedding-model" }

// Operation is embeddings.
func (VercelEmbeddingModel) Operation() string { return "embeddings" }

// Read reads a request, whose header says which model is asked.
func (e VercelEmbeddingModel) Read(in Incoming) (ParsedRequest, error) {
	r, err := readVercelEmbedding(in.Body)
	if err == nil {
		err = e.version.checkSpecification(in, vercelEmbeddingVersion)
	}
	if err == nil {
		r.path, r.specification = e.Path(), e.version.specification
		r.model, err = in.field(vercelEmbeddingModel)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// vercelEmbeddingRequest is a call of an embedding model that was read.
type vercelEmbeddingRequest struct {
	unpriced
	body                       []byte
	path, specification, model string
	input                      input
	several                    bool
}

// readVercelEmbedding reads a body with one text as input, or several as input or values.
func readVercelEmbedding(body []byte) (*vercelEmbeddingRequest, *RequestError) {
	root, err := parseBody(body)
	if err != nil {
		return nil, err
	}
	input, values := member{name: "input"}, member{name: "values"}
	if err := readMembers(root, &input, &values); err != nil {
		return nil, err
	}
	r := &vercelEmbeddingRequest{body: body}
	if r.unpriced, err = vercelEmbeddingAllowed.check(root); err != nil {
		return nil, err
	}
	texts := values
	if !values.given() {
		texts = input
	} else if input.given() {
		return nil, wrong("values", "conflicts with input")
	}
	if texts.value.Type == gjson.String {
		r.input.text(texts.value)
		return r, nil
	}
	if !texts.value.IsArray() {
		return nil, wrong("values", "must be an array of strings")
	}
	r.several = texts.value.Get("1").Exists()
	return r, eachOf(texts.value, texts.name, func(text gjson.Result) *RequestError {
		if text.Type != gjson.String {
			return wrong("", "must be a string")
		}
		r.input.text(text)
		return nil
	})
}

func (r *vercelEmbeddingRequest) Model() string  { return r.model }
func (r *vercelEmbeddingRequest) Streamed() bool { return false }

func (r *vercelEmbeddingRequest) For(model limiterv1.Model, _ OutputLimits) (BoundedCall, error) {
	tier := serviceTier{asked: price.Default}
	bound := price.Usage{Input: int64(len(r.body)) - r.input.saved(model.Tokenizer)}
	if !r.several { // the window is that of one input
		bound.Input = model.BoundInput(bound.Input)
	}
	cost, err := dearest(model, bound, tier)
	if err != nil {
		return BoundedCall{}, err
	}
	bill := newBill(model, tier) // answers must not hold the request
	whole := func() Answer { return wholeVercelEmbedding(bill) }
	return BoundedCall{
		Path:   r.path,
		Header: Header{vercelEmbeddingModel: {model.UpstreamName}, vercelEmbeddingVersion: {r.specification}},
		Body:   func() []byte { return r.body }, Bound: bound, Cost: cost, Dearest: dearestOf(model, tier, bound.Uses), Whole: whole, Stream: whole,
	}, nil
}

func wholeVercelEmbedding(b bill) Answer {
	return newWholeAnswer(b, "response.modelId", func(members *memberScanner) reading {
		n := numbers{of: members.member("usage")}
		return b.judge(&n, statement{
			usage: n.of, known: knownMembers{"tokens": counted}, used: price.Usage{Input: n.must("tokens")},
			cost: members.member("providerMetadata").Get("gateway"),
		})
	}, "usage", "providerMetadata")
}

// Message is none: an embedding says nothing.
func (r *vercelEmbeddingRequest) Message(Text) (Plain, bool) { return Plain{}, false }
