package fakeprovider

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
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

	MaxCompletionTokens *int `json:"max_completion_tokens"`
	MaxTokens           *int `json:"max_tokens"`
	N                   *int `json:"n"`

	Tools          []offered `json:"tools"`
	ResponseFormat struct {
		Type       string `json:"type"`
		JSONSchema struct {
			Schema json.RawMessage `json:"schema"`
		} `json:"json_schema"`
	} `json:"response_format"`

	User        string `json:"user"`
	ServiceTier string `json:"service_tier"`
}

type message struct {
	Type    string  `json:"type"` // of an item of Responses
	Role    string  `json:"role"`
	Content content `json:"content"`
	// Output and Tools are of an item of Responses that is no message.
	Output content   `json:"output"`
	Tools  []offered `json:"tools"`
}

// content is what a message says: a string, or parts.
type content []part

// part is a part of a message, of any of the APIs.
type part struct {
	Type     string          `json:"type"`
	Text     string          `json:"text"`
	ImageURL json.RawMessage `json:"image_url"`
	Content  content         `json:"content"` // of a tool's result
}

func (c *content) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err == nil { // Also null, which is no text.
		*c = content{{Text: text}}
		return nil
	}
	var parts []part
	if err := json.Unmarshal(raw, &parts); err != nil {
		return errors.New("content is neither a string nor an array of parts")
	}
	*c = parts
	return nil
}

// text is all the text of the content.
func (c content) text() string {
	texts := make([]string, len(c))
	for i, p := range c {
		texts[i] = p.Text
	}
	return strings.Join(texts, " ")
}

// add adds the content to the input of a request.
func (r *request) add(c content) {
	for _, p := range c {
		r.text(p.Text)
		r.add(p.Content)
		if strings.Contains(p.Type, "image") {
			r.images++
		}
	}
}

// addMessages adds messages, and takes the last one of the user for the prompt.
func (r *request) addMessages(messages []message) {
	for _, m := range messages {
		r.messages++
		r.add(m.Content)
		r.add(m.Output)
		if m.Role == "system" || m.Role == "developer" {
			continue // it may also come after the user's message
		}
		asks := m.Role == "user" && !slices.ContainsFunc(m.Content, func(p part) bool { return strings.HasPrefix(p.Type, "tool") })
		if asks {
			r.prompt = m.Content.text()
		}
		r.resumed = !asks
	}
}

func wordsIn(s string) int { return len(strings.Fields(s)) }

func (chatAPI) read(model string, _ *http.Request, body []byte) (request, error) {
	var in chatRequest
	if err := json.Unmarshal(body, &in); err != nil {
		return request{}, fmt.Errorf("the body is not a chat completion request: %w", err)
	}
	if len(in.Messages) == 0 {
		return request{}, errors.New("messages must not be empty")
	}
	for _, field := range []struct {
		name  string
		value *int
	}{{"max_completion_tokens", in.MaxCompletionTokens}, {"max_tokens", in.MaxTokens}, {"n", in.N}} {
		if field.value != nil && *field.value < 1 {
			return request{}, fmt.Errorf("%s must be at least 1", field.name)
		}
	}
	r := request{
		model: in.Model, user: in.User, stream: in.Stream, usageWanted: in.StreamOptions.IncludeUsage,
		bound: in.MaxTokens, choices: 1, tier: in.ServiceTier,
	}
	if in.MaxCompletionTokens != nil {
		r.bound = in.MaxCompletionTokens
	}
	if in.N != nil {
		r.choices = *in.N
	}
	if model != "" {
		r.model = model
	}
	r.addMessages(in.Messages)
	r.offer(in.Tools)
	r.structure = structure(in.ResponseFormat.Type, in.ResponseFormat.JSONSchema.Schema)
	return r, nil
}
