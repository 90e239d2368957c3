package fakeprovider

import (
	"encoding/json"
	"net/http"
)

// api is one API of a provider: how its requests are read, and what its answers and
// errors look like.
type api interface {
	// read reads a request. model is the one that the path names, if it names one.
	read(model string, r *http.Request, body []byte) (request, error)
	// whole is the answer that says a text in each choice.
	whole(a *answer, texts []string) any
	// begin, token and end are the frames of a stream; end has the usage in it,
	// unless usage is nil.
	begin(a *answer) []frame
	token(a *answer, choice int, text string) frame
	end(a *answer) []frame
	// failed is the frame that says that the model failed.
	failed() frame
	// refusal is the body of an error.
	refusal(r *refusal) any
}

// frame is a server-sent event.
type frame struct {
	event string // empty: none
	data  any
}

// request is what the provider reads of a request, whatever its API.
type request struct {
	model, user string
	stream      bool
	// usageWanted is whether the request asks for the usage of a stream.
	usageWanted bool
	// bound is the most tokens that a choice may have; nil means that the request
	// has none.
	bound   *int
	choices int
	// silent is whether there is no output at all.
	silent bool
	// compacts is whether the answer is the conversation so far, compacted.
	compacts bool
	// thread is whether the conversation is kept, for requests that continue it.
	thread bool
	// tools are those that the answer may call; resumed is whether the client has run the
	// one that was called before, so that the answer goes on with its result.
	tools   []tool
	resumed bool
	// structure is the JSON Schema of the answer's text; nil where it may be any text.
	structure json.RawMessage
	// inputs is how many texts have to be embedded, each as a vector.
	inputs int
	// prompt is the text of the last message of the user.
	prompt string
	// words and bytes are those of the whole input, messages and images how many there are.
	words, bytes, messages, images int64
	tier                           string
}

// text adds a text to the input.
func (r *request) text(s string) {
	r.words += int64(wordsIn(s))
	r.bytes += int64(len(s))
}

// inputTokens counts one token per word and four per message, or as many as the
// directive says, and what the model counts for each image.
func (r *request) inputTokens(m model, d directives) int64 {
	const perMessage = 4
	tokens := r.words + perMessage*r.messages
	if d.input != nil {
		tokens = min(int64(*d.input), r.bytes+perMessage*r.messages)
	}
	return tokens + r.images*m.ImageTokens
}

// outputTokens is how many tokens each choice gets, and whether the bound cuts the
// answer short.
func (r *request) outputTokens(m model, d directives) (tokens int, cutShort bool) {
	if r.silent {
		return 0, false
	}
	longest := m.MaxOutput
	if longest == 0 {
		longest = defaultOutput
	}
	switch {
	case d.output != nil:
		tokens = *d.output
	case r.compacts:
		tokens = defaultOutput
	case r.bound != nil:
		tokens = min(*r.bound, defaultOutput)
	default:
		tokens = longest
	}
	if r.bound != nil && tokens >= *r.bound {
		return *r.bound, true
	}
	return tokens, false
}
