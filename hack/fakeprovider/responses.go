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

		Tools []offered `json:"tools"`
		Text  struct {
			Format struct {
				Type   string          `json:"type"`
				Schema json.RawMessage `json:"schema"`
			} `json:"format"`
		} `json:"text"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return request{}, fmt.Errorf("the body is not a Responses request: %w", err)
	}
	r := request{
		model: in.Model, user: in.User, stream: in.Stream, bound: in.MaxOutputTokens, choices: 1, tier: in.ServiceTier,
	}
	r.text(in.Instructions)
	r.addMessages(in.Input)
	r.offer(in.Tools)
	for _, item := range in.Input {
		r.offer(item.Tools)
		r.compacts = r.compacts || item.Type == "compaction_trigger"
	}
	r.structure = structure(in.Text.Format.Type, in.Text.Format.Schema)
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
		"incomplete_details": nil, "instructions": nil, "metadata": map[string]any{},
		"parallel_tool_calls": true, "tool_choice": "auto", "tools": []any{}, "temperature": nil, "top_p": nil,
	}
}

// messageItem is the item with what the answer says.
func (a *answer) messageItem(status, text string) map[string]any {
	content := []any{}
	if status == "completed" {
		content = append(content, outputText(text))
	}
	return map[string]any{"id": "msg_" + a.id, "type": "message", "role": "assistant", "status": status, "content": content}
}

func outputText(text string) map[string]any {
	return map[string]any{"type": "output_text", "text": text, "annotations": []any{}, "logprobs": []any{}}
}

// searchItem is the item of a search on the web.
func (a *answer) searchItem(i int, status string) map[string]any {
	return map[string]any{
		"id": fmt.Sprintf("ws_%s_%d", a.id, i), "type": "web_search_call", "status": status,
		"action": map[string]any{"type": "search", "query": "as asked", "queries": []any{"as asked"}},
	}
}

// callItem is the item of the call of a tool, with its arguments only once it is completed.
func (a *answer) callItem(status string) map[string]any {
	item := map[string]any{"id": "call_item_" + a.id, "type": "function_call", "status": status, "call_id": "call_" + a.id}
	arguments := ""
	if status == "completed" {
		arguments = a.call.arguments
	}
	if a.call.namespace != "" {
		item["namespace"] = a.call.namespace
	}
	switch a.call.kind {
	case "function":
		item["name"], item["arguments"] = a.call.name, arguments
	case "custom":
		item["type"], item["name"], item["input"] = "custom_tool_call", a.call.name, arguments
	case "tool_search":
		item["type"], item["execution"], item["arguments"] = "tool_search_call", "client", a.call.input()
	case "apply_patch":
		item["type"], item["operation"] = "apply_patch_call", map[string]any{"type": "delete_file", "path": "as asked"}
	default:
		item["type"] = a.call.kind + "_call"
		item["action"] = map[string]any{"type": "exec", "command": []any{"ls"}, "env": map[string]any{}}
	}
	return item
}

// status is that of a response at its end.
func (a *answer) status() string {
	if a.cutShort {
		return "incomplete"
	}
	return "completed"
}

// outputs are the items of the whole answer.
func (a *answer) outputs(text string) (items []any) {
	for i := range a.directives.searches {
		items = append(items, a.searchItem(i, "completed"))
	}
	if a.request.compacts {
		return append(items, a.compactionItem(text))
	}
	items = append(items, a.messageItem("completed", text))
	if a.call != nil {
		items = append(items, a.callItem("completed"))
	}
	return items
}

func (responsesAPI) whole(a *answer, texts []string) any {
	response := a.response(a.status(), a.outputs(texts[0])...)
	if a.cutShort {
		response["incomplete_details"] = map[string]any{"reason": "max_output_tokens"}
	}
	if r, ok := a.usage(); ok {
		response["service_tier"] = r.tier()
		response["usage"] = responsesUsage(r)
	}
	return response
}

func responsesUsage(r reported) map[string]any {
	return map[string]any{
		"input_tokens": r.InputTokens, "input_tokens_details": map[string]any{
			"cached_tokens": r.CachedInputTokens, "cache_write_tokens": r.CacheWriteTokens,
		},
		"output_tokens": r.out(0), "output_tokens_details": map[string]any{"reasoning_tokens": r.ThoughtTokens},
		"total_tokens": r.InputTokens + r.OutputTokens,
	}
}

func (a *answer) event(kind string, members map[string]any) frame {
	members["type"] = kind
	members["sequence_number"] = a.sequence
	a.sequence++
	return frame{kind, members}
}

// itemEvent is an event about one of the items of the answer.
func (a *answer) itemEvent(kind string, index int, members map[string]any) frame {
	members["output_index"] = index
	return a.event(kind, members)
}

// ofText is an event about the text of the answer, which comes after its searches.
func (a *answer) ofText(kind string, members map[string]any) frame {
	members["item_id"], members["content_index"] = "msg_"+a.id, 0
	return a.itemEvent(kind, a.directives.searches, members)
}

func (responsesAPI) begin(a *answer) []frame {
	frames := []frame{
		a.event("response.created", map[string]any{"response": a.response("in_progress")}),
		a.event("response.in_progress", map[string]any{"response": a.response("in_progress")}),
	}
	for i := range a.directives.searches {
		id := a.searchItem(i, "")["id"]
		frames = append(
			frames,
			a.itemEvent("response.output_item.added", i, map[string]any{"item": a.searchItem(i, "in_progress")}),
			a.itemEvent("response.web_search_call.in_progress", i, map[string]any{"item_id": id}),
			a.itemEvent("response.web_search_call.searching", i, map[string]any{"item_id": id}),
			a.itemEvent("response.web_search_call.completed", i, map[string]any{"item_id": id}),
			a.itemEvent("response.output_item.done", i, map[string]any{"item": a.searchItem(i, "completed")}),
		)
	}
	if a.request.compacts {
		return append(frames, a.itemEvent("response.output_item.added", a.directives.searches, map[string]any{"item": a.compactionItem("")}))
	}
	return append(
		frames,
		a.itemEvent("response.output_item.added", a.directives.searches, map[string]any{"item": a.messageItem("in_progress", "")}),
		a.ofText("response.content_part.added", map[string]any{"part": outputText("")}),
	)
}

func (responsesAPI) token(a *answer, _ int, text string) frame {
	a.text += text
	if a.request.compacts {
		return a.event("response.in_progress", map[string]any{"response": a.response("in_progress")})
	}
	return a.ofText("response.output_text.delta", map[string]any{"delta": text})
}

func (api responsesAPI) end(a *answer) []frame {
	if a.request.compacts {
		return []frame{
			a.itemEvent("response.output_item.done", a.directives.searches, map[string]any{"item": a.compactionItem(a.text)}),
			a.event("response."+a.status(), map[string]any{"response": api.whole(a, []string{a.text})}),
		}
	}
	frames := []frame{
		a.ofText("response.output_text.done", map[string]any{"text": a.text}),
		a.ofText("response.content_part.done", map[string]any{"part": outputText(a.text)}),
		a.itemEvent("response.output_item.done", a.directives.searches, map[string]any{"item": a.messageItem("completed", a.text)}),
	}
	if a.call != nil {
		frames = append(frames, a.callEvents(a.directives.searches+1)...)
	}
	return append(frames, a.event("response."+a.status(), map[string]any{"response": api.whole(a, []string{a.text})}))
}

// callEvents are the events of the call of a tool.
func (a *answer) callEvents(index int) []frame {
	frames := []frame{a.itemEvent("response.output_item.added", index, map[string]any{"item": a.callItem("in_progress")})}
	for kind, name := range map[string]string{"function": "function_call_arguments", "custom": "custom_tool_call_input"} {
		if kind != a.call.kind {
			continue
		}
		said := map[string]string{"function": "arguments", "custom": "input"}[kind]
		id := a.callItem("")["id"]
		frames = append(
			frames,
			a.itemEvent("response."+name+".delta", index, map[string]any{"item_id": id, "delta": a.call.arguments}),
			a.itemEvent("response."+name+".done", index, map[string]any{"item_id": id, said: a.call.arguments, "name": a.call.name}),
		)
	}
	return append(frames, a.itemEvent("response.output_item.done", index, map[string]any{"item": a.callItem("completed")}))
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
