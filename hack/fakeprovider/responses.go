package fakeprovider

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// responsesAPI is OpenAI's Responses.
type responsesAPI struct{ openAIErrors }

func (responsesAPI) read(_ string, _ *http.Request, body []byte) (request, error) {
	var in struct {
		Model           string `json:"model"`
		Input           inputs `json:"input"`
		Instructions    string `json:"instructions"`
		Stream          bool   `json:"stream"`
		MaxOutputTokens *int   `json:"max_output_tokens"`
		User            string `json:"user"`
		ServiceTier     string `json:"service_tier"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return request{}, fmt.Errorf("the body is not a Responses request: %w", err)
	}
	r := request{
		model: in.Model, user: in.User, stream: in.Stream, bound: in.MaxOutputTokens, choices: 1, tier: in.ServiceTier,
	}
	r.text(in.Instructions)
	r.addMessages(in.Input)
	return r, nil
}

// inputs are messages, or a string, which is a message of the user.
type inputs []message

func (i *inputs) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err == nil {
		*i = inputs{{Role: "user", Content: content{{Text: text}}}}
		return nil
	}
	var messages []message
	if err := json.Unmarshal(raw, &messages); err != nil {
		return errors.New("input is neither a string nor an array of messages")
	}
	*i = messages
	return nil
}

func (a *answer) response(status string, output ...any) map[string]any {
	return map[string]any{
		"id": "resp_" + a.id, "object": "response", "created_at": created, "status": status,
		"model": a.request.model, "output": append([]any{}, output...), "usage": nil, "service_tier": "auto",
	}
}

func (a *answer) item(status, text string) map[string]any {
	return map[string]any{
		"id": "msg_" + a.id, "type": "message", "role": "assistant", "status": status,
		"content": []any{map[string]any{"type": "output_text", "text": text, "annotations": []any{}}},
	}
}

// status is that of a response at its end.
func (a *answer) status() string {
	if a.cutShort {
		return "incomplete"
	}
	return "completed"
}

func (responsesAPI) whole(a *answer, texts []string) any {
	response := a.response(a.status(), a.item("completed", texts[0]))
	if r, ok := a.usage(); ok {
		response["service_tier"] = r.tier()
		response["usage"] = map[string]any{
			"input_tokens": r.InputTokens, "input_tokens_details": map[string]any{
				"cached_tokens": r.CachedInputTokens, "cache_write_tokens": r.CacheWriteTokens,
			},
			"output_tokens": r.out(0), "output_tokens_details": map[string]any{"reasoning_tokens": r.ThoughtTokens},
			"total_tokens": r.InputTokens + r.OutputTokens,
		}
	}
	return response
}

func (a *answer) event(kind string, members map[string]any) frame {
	members["type"] = kind
	members["sequence_number"] = a.sequence
	a.sequence++
	return frame{kind, members}
}

func (responsesAPI) begin(a *answer) []frame {
	return []frame{
		a.event("response.created", map[string]any{"response": a.response("in_progress")}),
		a.event("response.in_progress", map[string]any{"response": a.response("in_progress")}),
		a.event("response.output_item.added", map[string]any{"output_index": 0, "item": a.item("in_progress", "")}),
	}
}

func (responsesAPI) token(a *answer, _ int, text string) frame {
	a.text += text
	return a.event("response.output_text.delta", map[string]any{"item_id": "msg_" + a.id, "output_index": 0, "content_index": 0, "delta": text})
}

func (api responsesAPI) end(a *answer) []frame {
	return []frame{
		a.event("response.output_item.done", map[string]any{"output_index": 0, "item": a.item("completed", a.text)}),
		a.event("response."+a.status(), map[string]any{"response": api.whole(a, []string{a.text})}),
	}
}

// embeddingsAPI is OpenAI's Embeddings.
type embeddingsAPI struct{ openAIErrors }

func (embeddingsAPI) read(model string, _ *http.Request, body []byte) (request, error) {
	var in struct {
		Model string          `json:"model"`
		Input json.RawMessage `json:"input"`
		User  string          `json:"user"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return request{}, fmt.Errorf("the body is not an Embeddings request: %w", err)
	}
	r := request{model: in.Model, user: in.User, silent: true, choices: 1}
	if model != "" {
		r.model = model
	}
	var input any
	if err := json.Unmarshal(in.Input, &input); err != nil {
		return request{}, fmt.Errorf("input: %w", err)
	}
	r.embed(input)
	return r, nil
}

// embed adds a text, a token, or an array of either.
func (r *request) embed(input any) {
	switch in := input.(type) {
	case string:
		r.text(in)
		r.prompt = in
	case float64:
		r.words++
		r.bytes++
	case []any:
		for _, one := range in {
			r.embed(one)
		}
	}
}

func (embeddingsAPI) whole(a *answer, _ []string) any {
	answer := map[string]any{
		"object": "list", "model": a.request.model,
		"data": []any{map[string]any{"object": "embedding", "index": 0, "embedding": make([]float64, 8+a.directives.size/2)}},
	}
	if r, ok := a.usage(); ok {
		answer["usage"] = map[string]any{"prompt_tokens": r.in(), "total_tokens": r.in()}
	}
	return answer
}

func (embeddingsAPI) begin(*answer) []frame            { return nil }
func (embeddingsAPI) token(*answer, int, string) frame { return frame{} }
func (embeddingsAPI) end(*answer) []frame              { return nil }
