package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// chatMessage is an answer, or with Delta in the place of Message a chunk of one.
type chatMessage struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"`
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []chatChoice `json:"choices"`
	Usage   *chatTotals  `json:"usage,omitempty"`
}

type chatChoice struct {
	Index        int64     `json:"index"`
	Message      *chatText `json:"message,omitempty"`
	Delta        *chatText `json:"delta,omitempty"`
	Logprobs     *struct{} `json:"logprobs"` // null
	FinishReason *string   `json:"finish_reason"`
}

// chatText is what a choice says; in the last chunk it is empty.
type chatText struct {
	Role    string  `json:"role,omitempty"`
	Content *string `json:"content,omitempty"`
}

type chatTotals struct {
	PromptTokens     int64 `json:"prompt_tokens"`
	CompletionTokens int64 `json:"completion_tokens"`
	TotalTokens      int64 `json:"total_tokens"`
}

// Message is the answer that says text in every choice.
func (r *chatRequest) Message(text Text) (Plain, bool) {
	if r.demandsStructure() {
		return Plain{}, false
	}
	if r.streamed {
		return Plain{ContentType: "text/event-stream; charset=utf-8", Body: r.streamedMessage(text)}, true
	}
	m := r.message("chat.completion", text, func(c *chatChoice) {
		c.Message, c.FinishReason = saying(text), stop()
	})
	m.Usage = &chatTotals{}
	return Plain{ContentType: "application/json", Body: chatJSON(m)}, true
}

// streamedMessage says the text in one chunk, and stops in the next.
func (r *chatRequest) streamedMessage(text Text) []byte {
	const object = "chat.completion.chunk"
	chunks := []chatMessage{
		r.message(object, text, func(c *chatChoice) { c.Delta = saying(text) }),
		r.message(object, text, func(c *chatChoice) { c.Delta, c.FinishReason = &chatText{}, stop() }),
	}
	if r.usageWanted {
		last := r.message(object, text, nil)
		last.Choices, last.Usage = []chatChoice{}, &chatTotals{}
		chunks = append(chunks, last)
	}
	var stream bytes.Buffer
	for _, chunk := range chunks {
		fmt.Fprintf(&stream, "data: %s\n\n", chatJSON(chunk))
	}
	fmt.Fprintf(&stream, "data: %s\n\n", doneData)
	return stream.Bytes()
}

// message is an answer, or a chunk of one, whose choices are filled in by fill.
func (r *chatRequest) message(object string, text Text, fill func(*chatChoice)) chatMessage {
	m := chatMessage{ID: "chatcmpl-" + text.ID, Object: object, Created: text.At.Unix(), Model: r.Model()}
	if fill == nil {
		return m
	}
	for i := range r.choices {
		m.Choices = append(m.Choices, chatChoice{Index: i})
		fill(&m.Choices[i])
	}
	return m
}

func saying(text Text) *chatText { return &chatText{Role: "assistant", Content: &text.Content} }

func stop() *string {
	reason := "stop"
	return &reason
}

func chatJSON(m chatMessage) []byte {
	body, err := json.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("protocol: a message is always JSON: %v", err)) // strings and numbers
	}
	return body
}
