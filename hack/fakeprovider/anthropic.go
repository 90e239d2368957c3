package fakeprovider

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// messagesAPI is Anthropic's Messages, with the threads that it keeps; nil keeps none.
type messagesAPI struct{ threads *threads }

func (api messagesAPI) read(_ string, r *http.Request, body []byte) (request, error) {
	var in struct {
		Model     string    `json:"model"`
		System    content   `json:"system"`
		Messages  []message `json:"messages"`
		Stream    bool      `json:"stream"`
		MaxTokens *int      `json:"max_tokens"`
		Tools     []offered `json:"tools"`
		Thread    *thread   `json:"thread"`
		Output    struct {
			Format struct {
				Type   string          `json:"type"`
				Schema json.RawMessage `json:"schema"`
			} `json:"format"`
		} `json:"output_config"`
		Metadata struct {
			UserID string `json:"user_id"`
		} `json:"metadata"`
	}
	if r.Header.Get("Anthropic-Version") == "" {
		return request{}, errors.New("anthropic-version: header is required")
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return request{}, fmt.Errorf("the body is not a Messages request: %w", err)
	}
	if in.MaxTokens == nil || *in.MaxTokens < 1 {
		return request{}, errors.New("max_tokens: Field required")
	}
	out := request{model: in.Model, user: in.Metadata.UserID, stream: in.Stream, bound: in.MaxTokens, choices: 1}
	out.add(in.System)
	out.addMessages(in.Messages)
	out.offer(in.Tools)
	out.structure = structure(in.Output.Format.Type, in.Output.Format.Schema)
	if in.Thread == nil {
		return out, nil
	}
	out.thread = true
	return out, api.threads.resume(*in.Thread, &out, len(in.System)+len(in.Tools) > 0)
}

// messagesInput is the part of the usage that is known before there is any output. Its
// input tokens are those that were neither read from the cache nor written to it.
func messagesInput(r reported, unsplit bool) map[string]any {
	writes := r.CacheWriteTokens + r.CacheWrite1hTokens
	input := map[string]any{
		"input_tokens":                r.InputTokens - r.CachedInputTokens - writes,
		"cache_read_input_tokens":     r.CachedInputTokens,
		"cache_creation_input_tokens": writes,
		"cache_creation": map[string]any{
			"ephemeral_5m_input_tokens": r.CacheWriteTokens, "ephemeral_1h_input_tokens": r.CacheWrite1hTokens,
		},
		"output_tokens": 1, "service_tier": "standard",
		"inference_geo": cmp.Or(r.Geo, "not_available"), "speed": cmp.Or(r.Speed, "standard"),
	}
	if unsplit {
		delete(input, "cache_creation")
	}
	return input
}

// outputUsage is the part of the usage that is known at the end.
func outputUsage(r reported, usage map[string]any) map[string]any {
	usage["output_tokens"] = r.out(0)
	if r.Searches > 0 {
		usage["server_tool_use"] = map[string]any{"web_search_requests": r.Searches, "web_fetch_requests": 0}
	}
	return usage
}

func (a *answer) message(text string, stopReason any) map[string]any {
	content := []any{}
	if text != "" {
		content = append(content, map[string]any{"type": "text", "text": text})
	}
	return map[string]any{
		"id": "msg_" + a.id, "type": "message", "role": "assistant", "model": a.request.model,
		"content": content, "stop_reason": stopReason, "stop_sequence": nil,
	}
}

func (a *answer) stopReason() string {
	switch {
	case a.cutShort:
		return "max_tokens"
	case a.call != nil:
		return "tool_use"
	}
	return "end_turn"
}

// toolUse is the call of a tool as Messages has it.
func (a *answer) toolUse(input any) map[string]any {
	return map[string]any{"type": "tool_use", "id": "toolu_" + a.id, "name": a.call.name, "input": input}
}

func (api messagesAPI) whole(a *answer, texts []string) any {
	api.threads.keep(a, texts[0])
	message := a.message(texts[0], a.stopReason())
	if a.call != nil {
		message["content"] = append(message["content"].([]any), a.toolUse(a.call.input()))
	}
	if r, ok := a.usage(); ok {
		message["usage"] = outputUsage(r, messagesInput(r, a.directives.unsplit))
	}
	return message
}

func (messagesAPI) begin(a *answer) []frame {
	message := a.message("", nil)
	if r, ok := a.usage(); ok {
		message["usage"] = messagesInput(r, a.directives.unsplit)
	}
	return []frame{
		{"message_start", map[string]any{"type": "message_start", "message": message}},
		{"content_block_start", map[string]any{
			"type": "content_block_start", "index": 0, "content_block": map[string]any{"type": "text", "text": ""},
		}},
		{"ping", map[string]any{"type": "ping"}},
	}
}

func (messagesAPI) token(a *answer, _ int, text string) frame {
	a.text += text
	return frame{"content_block_delta", map[string]any{
		"type": "content_block_delta", "index": 0, "delta": map[string]any{"type": "text_delta", "text": text},
	}}
}

func (api messagesAPI) end(a *answer) []frame {
	api.threads.keep(a, a.text)
	delta := map[string]any{
		"type": "message_delta", "delta": map[string]any{"stop_reason": a.stopReason(), "stop_sequence": nil},
	}
	if r, ok := a.usage(); ok {
		delta["usage"] = outputUsage(r, map[string]any{})
	}
	frames := []frame{{"content_block_stop", map[string]any{"type": "content_block_stop", "index": 0}}}
	if a.call != nil {
		frames = append(frames, a.toolUseFrames()...)
	}
	frames = append(frames, frame{"message_delta", delta})
	if a.directives.noend {
		return frames
	}
	return append(frames, frame{"message_stop", map[string]any{"type": "message_stop"}})
}

func (a *answer) toolUseFrames() []frame {
	return []frame{
		{"content_block_start", map[string]any{"type": "content_block_start", "index": 1, "content_block": a.toolUse(map[string]any{})}},
		{"content_block_delta", map[string]any{
			"type": "content_block_delta", "index": 1, "delta": map[string]any{"type": "input_json_delta", "partial_json": a.call.arguments},
		}},
		{"content_block_stop", map[string]any{"type": "content_block_stop", "index": 1}},
	}
}

func (messagesAPI) failed() frame {
	return frame{"error", map[string]any{
		"type": "error", "error": map[string]any{"type": "overloaded_error", "message": "the model failed, as asked"},
	}}
}

func (messagesAPI) refusal(r *refusal) any {
	kinds := map[int]string{
		http.StatusUnauthorized: "authentication_error", http.StatusNotFound: "not_found_error",
		http.StatusTooManyRequests: "rate_limit_error", http.StatusBadRequest: "invalid_request_error",
	}
	kind, ok := kinds[r.status]
	if !ok {
		kind = "api_error"
	}
	said := map[string]any{"type": kind, "message": r.message}
	if r.code == noThread {
		said["details"] = map[string]any{"error_code": r.code}
	}
	return map[string]any{"type": "error", "error": said}
}
