package protocol

import (
	"errors"
	"net/url"
	"strings"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
)

// Endpoint is one path of a protocol, at which calls are made.
type Endpoint interface {
	// Protocol is the protocol that has this endpoint.
	Protocol() Protocol
	// Path is where clients find the API. In it, {model} stands, at most once, for
	// the name of a model.
	Path() string
	// Operation is gen_ai.operation.name in traces, by OpenTelemetry's semantic
	// conventions for generative AI: "chat", "embeddings", "generate_content", ...
	Operation() string
	// Read reads a request. Its error is a *RequestError when the request is wrong,
	// or asks for what cannot be bounded.
	Read(in Incoming) (ParsedRequest, error)
}

// Incoming is a request as a client has sent it.
type Incoming struct {
	// Model is the model that the path names; empty where the body does.
	Model string
	Query url.Values
	// Header is a view of the header; nil is an empty one.
	Header HeaderView
	Body   []byte
}

// wildcard stands in an Endpoint's Path for the name of a model.
const wildcard = "{model}"

// MatchPath reports whether path is one of those that an Endpoint's Path describes,
// and which model it names, if they name one.
func MatchPath(pattern, path string) (model string, ok bool) {
	before, after, named := strings.Cut(pattern, wildcard)
	if !named {
		return "", path == pattern
	}
	if model, ok = strings.CutPrefix(path, before); ok {
		model, ok = strings.CutSuffix(model, after)
	}
	return model, ok && model != ""
}

// PathNamesModel is whether the paths of an Endpoint name the model.
func PathNamesModel(e Endpoint) bool { return strings.Contains(e.Path(), wildcard) }

// ParsedRequest is a request that was read: it is well formed, says the same to every
// parser, and asks for nothing whose cost cannot be bounded, except for what is in Unpriced.
type ParsedRequest interface {
	// Unpriced is what the request asks for whose cost is not bounded. Unless all of it
	// may be passed on, the request must be refused.
	Unpriced() []Unpriced
	// Model is the model that is asked for.
	Model() string
	// Streamed is whether the answer is to come as a stream.
	Streamed() bool
	// For makes the call that asks the model for what the request asks, with its
	// output within the limits. The error is a *RequestError when the request asks
	// for more than the model gives. The model has the prices that are in force, and
	// those are what the call costs.
	For(model limiterv1.Model, limits OutputLimits) (BoundedCall, error)
	// Message is the answer that a model would give that said text, stopped, and
	// used nothing: streamed if the request asks for that. It is not ok where text is
	// no answer: to a request for embeddings, or one that demands a schema or a call of
	// a tool.
	Message(text Text) (answer Plain, ok bool)
}

// OutputLimits are what bounds the output of a call beside its request and its model, in
// tokens of each answer that is asked for.
type OutputLimits struct {
	// Assumed bounds the output of a request that does not bound it. 0, or more than the
	// model gives, means what the model gives at most.
	Assumed int64
	// Cap is the most that may be asked for; a request that asks for more is made to ask
	// for that. 0 means no cap.
	Cap int64
}

// assumedFor is the bound of a request to the model that names none.
func (l OutputLimits) assumedFor(model limiterv1.Model) int64 {
	if l.Assumed == 0 {
		return model.MaxOutputTokens
	}
	return min(l.Assumed, model.MaxOutputTokens)
}

// OutputBound is what bounds the output of a call, in tokens of each answer that is asked
// for. It is zero for a call that has no output.
type OutputBound struct {
	// Tokens is what the provider is asked for at most.
	Tokens int64
	// Uncapped is what Tokens would be without OutputLimits.Cap.
	Uncapped int64
	// Least is the fewest Tokens with which the provider takes the request.
	Least int64
	// Param is the parameter that says so, and Named whether the client has set it.
	Param string
	Named bool
}

// within bounds a request to the model, which asks for so many tokens in a parameter; 0
// when it does not say.
func (l OutputLimits) within(model limiterv1.Model, asked int64, param string) (OutputBound, *RequestError) {
	if model.MaxOutputTokens == 0 {
		return OutputBound{}, wrong("model", "%s generates no text: it is for embeddings only", model.Name)
	}
	b := OutputBound{Uncapped: asked, Least: 1, Param: param, Named: asked != 0}
	if !b.Named {
		b.Uncapped = l.assumedFor(model)
	}
	b.Tokens = b.Uncapped
	if l.Cap > 0 {
		b.Tokens = min(b.Tokens, l.Cap)
	}
	if b.Tokens > model.MaxOutputTokens {
		return OutputBound{}, wrong(param, "exceeds the maximum of %d output tokens of %s", model.MaxOutputTokens, model.Name)
	}
	return b, nil
}

// Text is the text of an answer that Bursar gives in the place of a model.
type Text struct {
	// ID names the answer, and At is when it is given.
	ID string
	At time.Time
	// Content is valid UTF-8.
	Content string
}

// Plain is a whole answer, given with the status 200.
type Plain struct {
	ContentType string
	Body        []byte
}

// BoundedCall is a request addressed to a model, with the most that it can use and cost.
type BoundedCall struct {
	// Path is where the provider is to be asked, below its endpoint, with the query.
	Path string
	// Header are fields that the provider is to be sent beside those of every call, in the
	// place of the client's; nil is none.
	Header Header
	// Body makes what the provider is to be sent. It holds the request.
	Body func() []byte
	// Output is what bounds the output, which is in Bound as often as answers are asked for.
	Output OutputBound
	// Bound is the most tokens that the call can use.
	Bound price.Usage
	// Cost is the most that the call can cost. 0 <= Cost <= money.Max.
	Cost money.Nanos
	// Dearest is the most that the call can cost if it has used no more than the usage: in the
	// service tier of the usage, or, where that is empty, in any that is possible.
	Dearest func(price.Usage) (money.Nanos, error)
	// Hidden is whether the model may generate output that it does not show.
	Hidden bool
	// Whole and Stream make a reader for the call's answer.
	Whole, Stream func() Answer
}

// Answer reads an answer as it passes by on its way to the client.
type Answer interface {
	// Pass takes the next bytes from the provider, cut anywhere, and returns what
	// the client is to see now. The result is good until the next call.
	Pass(chunk []byte) []byte
	// End takes the end of the answer: whole, or cut off by a failure. It returns
	// what the client is still to see.
	End(cut bool) []byte
	// Unfinished is whether the answer ended before its end.
	Unfinished() bool
	// Usage is what the call used, and whether the provider has said so in a way
	// that can be believed. REQUIRES: End was called.
	Usage() (price.Usage, bool)
	// Progress is how far the answer has come.
	Progress() Progress
	// Seen is the most that the call can have used by what has come of its answer: no less
	// than it has used, as far as that can be known. It is not ok where nothing has come by
	// which it can be judged. REQUIRES: End was called.
	Seen(cut Cut) (price.Usage, bool)
	// Problem is what tells the client, in the middle of the answer, of a problem with
	// the given JSON body; nil if the answer has no way to. cutAsWell says that not all
	// clients take that for an error, so that the connection must be cut as well.
	Problem(body []byte) (frame []byte, cutAsWell bool)
}

// dearest is the most that a call can cost that uses no more than the bound, and is
// served in one of the service tiers in which it may be.
func dearest(model limiterv1.Model, bound price.Usage, tier serviceTier) (dearest money.Nanos, _ *RequestError) {
	for _, possible := range tier.possible(model) {
		cost, err := dearestIn(possible, model, bound)
		switch {
		case errors.Is(err, price.ErrNoPrice) && tier.open && possible != price.Default:
			continue // it has no price for what this call is, and nobody has asked for it
		case errors.Is(err, price.ErrNoPrice):
			return 0, wrong("", "cannot be priced for model %s: %v", model.Name, err)
		case err != nil:
			return 0, wrong("", "exceeds the maximum cost of a call: %v", err)
		}
		dearest = max(dearest, cost)
	}
	return dearest, nil
}

// dearestIn is the most that the call can cost in one tier. In a tier without a price for writes
// to the cache there are no such writes.
func dearestIn(tier price.ServiceTier, model limiterv1.Model, bound price.Usage) (money.Nanos, error) {
	cost, err := model.Prices.Dearest(bound, tier)
	if errors.Is(err, price.ErrNoPrice) && tier != price.Default {
		return model.Prices.Dearest(bound.WithoutWrites(), tier)
	}
	return cost, err
}
