package protocol

import (
	"github.com/tidwall/gjson"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
)

// Moderations is OpenAI's Moderations API. OpenAI bills nothing for it: its models have an input
// price of 0. A compatible provider's model may have another, by which its input is held and
// settled as that of embeddings is.
type Moderations struct{}

// Protocol is OpenAI.
func (Moderations) Protocol() Protocol { return OpenAI{} }

// Path is where clients find the API.
func (Moderations) Path() string { return "/v1/moderations" }

// Operation is moderation.
func (Moderations) Operation() string { return "moderation" }

// moderationModel is the model of a request that names none, by OpenAI's description.
const moderationModel = "omni-moderation-latest"

// Read reads a request.
func (Moderations) Read(in Incoming) (ParsedRequest, error) {
	root, err := parseBody(in.Body)
	if err != nil {
		return nil, err
	}
	r := &moderation{helper: helper{body: in.Body, model: moderationModel, member: member{name: "model"}, path: func(string) string { return "/moderations" }}}
	input := member{name: "input"}
	if err := readMembers(root, &r.member, &input); err != nil {
		return nil, err
	}
	if r.member.seen {
		if err := r.member.modelName(); err != nil {
			return nil, err
		}
		r.model = r.member.value.Str
	}
	if r.unpriced, err = moderationAllowed.check(root); err != nil {
		return nil, err
	}
	return r, r.readInput(input.value)
}

var moderationAllowed = allowed{"model": bounded, "input": bounded}

// moderation is a request for moderation that was read.
type moderation struct {
	helper
	// pictures is whether there are pictures, for which only a free model has a bound.
	pictures bool
}

// readInput takes a text, or an array of texts and of parts, which are texts or pictures.
func (r *moderation) readInput(in gjson.Result) error {
	if in.Type == gjson.String {
		return nil
	}
	if !in.IsArray() {
		return wrong("input", "must be a string, or an array of strings or of parts")
	}
	err := eachOf(in, "input", func(part gjson.Result) *RequestError {
		if part.Type == gjson.String {
			return nil
		}
		kind, err := typeOf(part)
		r.pictures = r.pictures || kind != "text"
		return err
	})
	if err != nil {
		return err
	}
	return nil
}

// For makes the call.
func (r *moderation) For(model limiterv1.Model, limits OutputLimits) (BoundedCall, error) {
	made, err := r.helper.For(model, limits)
	if err != nil {
		return BoundedCall{}, err
	}
	tier := serviceTier{asked: price.Default}
	bound := price.Usage{Input: int64(len(r.body))}
	cost, wrongCost := dearest(model, bound, tier)
	switch {
	case wrongCost != nil:
		return BoundedCall{}, wrongCost
	case cost == 0:
		return made, nil
	case r.pictures:
		return BoundedCall{}, unsupported("input", "only text has a bound: use strings")
	}
	bill := newBill(model, tier) // answers must not hold the request
	made.Bound, made.Cost = bound, cost
	made.Whole = func() Answer { return wholeEmbeddings(bill) }
	made.Stream = made.Whole
	return made, nil
}
