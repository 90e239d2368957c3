package fakeprovider

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// defaultOutput is how many tokens an answer has at most when nothing says more.
const defaultOutput = 16

// chatRequest is what the provider reads of a chat completion request.
type chatRequest struct {
	Model    string    `json:"model"`
	Messages []message `json:"messages"`
	Stream   bool      `json:"stream"`

	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`

	MaxCompletionTokens *int   `json:"max_completion_tokens"`
	MaxTokens           *int   `json:"max_tokens"`
	N                   *int   `json:"n"`
	User                string `json:"user"`

	// bodyLength bounds the input tokens: no tokenizer makes more than one of a byte.
	bodyLength int
}

type message struct {
	Role    string  `json:"role"`
	Content content `json:"content"`
}

// content is the text of a message: a string, or the text among its parts.
type content string

func (c *content) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err == nil { // Also null, which is no text.
		*c = content(text)
		return nil
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if err := json.Unmarshal(raw, &parts); err != nil {
		return errors.New("content is neither a string nor an array of parts")
	}
	var texts []string
	for _, part := range parts {
		texts = append(texts, part.Text)
	}
	*c = content(strings.Join(texts, " "))
	return nil
}

func parseChatRequest(body []byte) (r chatRequest, err error) {
	if err := json.Unmarshal(body, &r); err != nil {
		return r, fmt.Errorf("the body is not a chat completion request: %w", err)
	}
	r.bodyLength = len(body)
	if len(r.Messages) == 0 {
		return r, errors.New("messages must not be empty")
	}
	for _, field := range []struct {
		name  string
		value *int
	}{{"max_completion_tokens", r.MaxCompletionTokens}, {"max_tokens", r.MaxTokens}, {"n", r.N}} {
		if field.value != nil && *field.value < 1 {
			return r, fmt.Errorf("%s must be at least 1", field.name)
		}
	}
	return r, nil
}

// choices is how many answers are wanted.
func (r chatRequest) choices() int {
	if r.N != nil {
		return *r.N
	}
	return 1
}

// bound is the most tokens a choice may have; nil means that the request has none.
func (r chatRequest) bound() *int {
	if r.MaxCompletionTokens != nil {
		return r.MaxCompletionTokens
	}
	return r.MaxTokens
}

// lastPrompt is the text of the last message of the user.
func (r chatRequest) lastPrompt() string {
	for i := len(r.Messages) - 1; i >= 0; i-- {
		if r.Messages[i].Role == "user" {
			return string(r.Messages[i].Content)
		}
	}
	return ""
}

// inputTokens counts a token a word and four a message.
func (r chatRequest) inputTokens() int64 {
	const perMessage = 4
	tokens := 0
	for _, m := range r.Messages {
		tokens += perMessage + len(strings.Fields(string(m.Content)))
	}
	return int64(min(tokens, r.bodyLength))
}

// outputTokens is how many tokens each choice gets, and whether the bound cuts
// the answer short.
func (r chatRequest) outputTokens(m model, d directives) (tokens int, cutShort bool) {
	longest := m.MaxOutput
	if longest == 0 {
		longest = defaultOutput
	}
	bound := r.bound()
	switch {
	case d.output != nil:
		tokens = *d.output
	case bound != nil:
		tokens = min(*bound, defaultOutput)
	default:
		tokens = longest
	}
	if bound != nil && tokens >= *bound {
		return *bound, true
	}
	return tokens, false
}
