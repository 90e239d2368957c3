package protocol

import (
	"strings"

	"github.com/tidwall/gjson"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
)

// input is what is known of a request's input, apart from its length.
//
// Text is bounded by its length: every token of it stands for at least one byte of
// what the model reads, and every byte of that is in the body, in which JSON can
// only make it longer; what a provider's template puts around messages and tools is
// shorter than the JSON around them, unless extra says otherwise. That holds for
// every tokenizer whose tokens stand for bytes, without running one.
//
// Where the model's tokenizer is known, the texts of messages are bounded by it, as
// boundText proves, instead of by their length in the body, and members that say how the
// model is called, and are not for it to read, count nothing; all the rest of the body
// stays at a token a byte, and pays for the template, with templateMargin beside it.
// How tools, formats and what tools have answered are written into what the model
// reads is not published: none of that is a text here.
//
// An image costs what the provider's formula gives for the largest image there is,
// and the bytes that encode it are not text. What has no such formula, such as a
// recording, a file, or a reference to what was said earlier, is bounded by the
// model's context window alone.
type input struct {
	// images is how many images there are, and encoded how many bytes of the body
	// they take.
	images, encoded int64
	// extra is how many tokens the provider adds beyond what the JSON pays for.
	extra int64
	// audible is whether some of it is sound, which has a price of its own.
	audible bool
	// texts are strings of the body that the model reads as they are, all in one piece.
	texts []gjson.Result
	// unread is how many bytes of the body say how the model is called, and are not read by it.
	unread int64
	// unknown names the first thing that has no formula; empty when all have one.
	unknown string
}

// templateMargin is how many tokens of a template the JSON need not pay for where
// texts are not bounded by their length. A template that OpenAI has published takes
// four a message, where the JSON has 20 bytes and more, and three at its end.
const templateMargin = 64

// text notes a string that the model reads as it is. Anything else is none.
func (in *input) text(value gjson.Result) {
	if value.Type == gjson.String {
		in.texts = append(in.texts, value)
	}
}

// callsOnly notes members of the body that say how the model is called: the model's own
// name, what bounds its output. It reads none of them.
func (in *input) callsOnly(members ...*member) {
	for _, m := range members {
		if m.seen {
			in.unread += int64(len(`"":`) + len(m.name) + len(m.value.Raw))
		}
	}
}

// saved is by how much the tokens of the texts and of their template are fewer than their
// bytes in the body, by the tokenizer; 0 if it is not known.
func (in *input) saved(by limiterv1.Tokenizer) int64 {
	load, known := tokenizers[by]
	if !known || len(in.texts) == 0 {
		return 0
	}
	saved, left := in.unread-templateMargin, maxTokenized
	for _, text := range in.texts {
		if len(text.Str) <= left {
			left -= len(text.Str)
			saved += int64(len(text.Raw)) - boundText(load(), text.Str)
		}
	}
	return max(saved, 0)
}

// image notes an image that is given by a URL, which may hold it.
func (in *input) image(url gjson.Result) {
	in.images++
	if strings.HasPrefix(url.Str, "data:") {
		in.encoded += int64(len(url.Raw))
	}
}

// only notes what only the context window bounds.
func (in *input) only(what string) {
	if in.unknown == "" {
		in.unknown = what
	}
}

// recording notes sound, whose length the request does not say.
func (in *input) recording() {
	in.audible = true
	in.only("audio")
}

// usage is the most that a call with at most that much output can use. perImage is the most tokens
// that one image is for a model; it is called only if there are images. If some of the input is
// sound, it is bounded as if all were.
func (in *input) usage(
	body []byte, model limiterv1.Model, perImage func(limiterv1.Model) int64, output int64,
) (price.Usage, *RequestError) {
	tokens, err := in.bound(body, model, perImage)
	if err != nil {
		return price.Usage{}, err
	}
	if in.audible {
		return price.Usage{AudioInput: tokens, Output: output}, nil
	}
	return price.Usage{Input: tokens, Output: output}, nil
}

// asWritten is the bound if all input may be written to the provider's cache, as the provider
// itself decides, and if writing has a price of its own.
func asWritten(bound price.Usage, model limiterv1.Model) price.Usage {
	if model.Prices.Offers(price.CacheWrite5m) {
		bound.Input, bound.CacheWrite5m = 0, bound.Input
	}
	return bound
}

// bound is the most tokens that the model can read for the body. An image is
// perImage at the most, or of unknown size when that is 0.
func (in *input) bound(body []byte, model limiterv1.Model, perImage func(limiterv1.Model) int64) (int64, *RequestError) {
	tokens := int64(len(body)) - in.encoded + in.extra - in.saved(model.Tokenizer)
	if in.images > 0 {
		each := perImage(model)
		if each == 0 {
			in.only("an image")
		}
		tokens += in.images * each
	}
	window := model.ContextWindow
	switch {
	case in.unknown == "" && (window == 0 || tokens < window):
		return tokens, nil
	case window > 0:
		return window, nil
	}
	return 0, &RequestError{
		Unsupported: true,
		Reason:      "contains " + in.unknown + ", whose tokens cannot be bounded: model " + model.Name + " has no contextWindow in its ModelProvider",
	}
}
