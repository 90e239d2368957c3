package fakeprovider

import "fmt"

// chatAPI is OpenAI's Chat Completions.
type chatAPI struct{ openAIErrors }

func (a *answer) finishReason() string {
	switch {
	case a.cutShort:
		return "length"
	case a.call != nil:
		return "tool_calls"
	}
	return "stop"
}

// chatCall is the call of a tool as Chat Completions has it.
func (a *answer) chatCall(choice int) map[string]any {
	call := map[string]any{"id": fmt.Sprintf("call_%s_%d", a.id, choice), "type": a.call.kind}
	if a.call.kind == "custom" {
		call["custom"] = map[string]any{"name": a.call.name, "input": a.call.arguments}
	} else {
		call["function"] = map[string]any{"name": a.call.name, "arguments": a.call.arguments}
	}
	return call
}

func chatUsage(r reported) map[string]any {
	return map[string]any{
		"prompt_tokens":     r.InputTokens,
		"completion_tokens": r.out(0),
		"total_tokens":      r.InputTokens + r.OutputTokens,
		"prompt_tokens_details": map[string]any{
			"cached_tokens": r.CachedInputTokens, "audio_tokens": r.AudioInputTokens, "cache_write_tokens": r.CacheWriteTokens,
		},
		"completion_tokens_details": map[string]any{
			"reasoning_tokens": r.ThoughtTokens, "audio_tokens": 0,
			"accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
		},
	}
}

func (chatAPI) whole(a *answer, texts []string) any {
	choices := make([]any, len(texts))
	for i, text := range texts {
		message := map[string]any{"role": "assistant", "content": text, "refusal": nil}
		if a.call != nil {
			message["tool_calls"] = []any{a.chatCall(i)}
		}
		choices[i] = map[string]any{
			"index":         i,
			"message":       message,
			"logprobs":      nil,
			"finish_reason": a.finishReason(),
		}
	}
	completion := map[string]any{
		"id": "chatcmpl-" + a.id, "object": "chat.completion", "created": created,
		"model": a.request.model, "choices": choices, "system_fingerprint": "fp_fake",
	}
	if r, ok := a.usage(); ok {
		completion["usage"], completion["service_tier"] = chatUsage(r), r.tier()
	}
	return completion
}

func (chatAPI) begin(a *answer) (frames []frame) {
	for choice := range a.request.choices {
		frames = append(frames, a.chunk(choice, map[string]any{"role": "assistant", "content": "", "refusal": nil}, nil))
	}
	return frames
}

func (chatAPI) token(a *answer, choice int, text string) frame {
	return a.chunk(choice, map[string]any{"content": text}, nil)
}

func (chatAPI) end(a *answer) (frames []frame) {
	for choice := range a.request.choices {
		if a.call != nil {
			call := a.chatCall(choice)
			call["index"] = 0
			frames = append(frames, a.chunk(choice, map[string]any{"tool_calls": []any{call}}, nil))
		}
		frames = append(frames, a.chunk(choice, map[string]any{}, a.finishReason()))
	}
	if r, ok := a.usage(); ok && a.request.usageWanted {
		frames = a.withUsage(frames, r)
	}
	switch {
	case a.directives.noend:
		return frames
	case a.directives.blankend:
		return append(frames, frame{data: doneFrame(done + " ")})
	}
	return append(frames, frame{data: done})
}

// withUsage are the last frames of a stream, with its usage.
func (a *answer) withUsage(frames []frame, r reported) []frame {
	last := frames[len(frames)-1].data.(map[string]any)
	switch a.directives.place {
	case inChoice:
		delete(last, "usage")
		last["choices"].([]any)[0].(map[string]any)["usage"] = chatUsage(r)
	case besideFinish, inEach:
	default:
		last = a.object([]any{})
		frames = append(frames, frame{data: last})
	}
	if a.directives.place != inChoice {
		last["usage"] = chatUsage(r)
	}
	last["service_tier"] = r.tier()
	return frames
}

// done is the last frame of a stream, which is not JSON.
const done = doneFrame("[DONE]")

type doneFrame string

// MarshalJSON is never called: the writer of frames handles this frame itself.
func (doneFrame) MarshalJSON() ([]byte, error) { panic("not JSON") }

// chunk is the frame with a piece of a choice. Frames that carry no usage say so
// when the request asked for it.
func (a *answer) chunk(choice int, delta map[string]any, finishReason any) frame {
	object := a.object([]any{map[string]any{
		"index": choice, "delta": delta, "logprobs": nil, "finish_reason": finishReason,
	}})
	if a.request.usageWanted {
		object["usage"] = nil
		if r, ok := a.usage(); ok && a.directives.place == inEach && len(delta) > 0 {
			object["usage"] = chatUsage(r)
		}
	}
	return frame{data: object}
}

func (a *answer) object(choices []any) map[string]any {
	return map[string]any{
		"id": "chatcmpl-" + a.id, "object": "chat.completion.chunk", "created": created,
		"model": a.request.model, "system_fingerprint": "fp_fake", "choices": choices,
	}
}

// openAIErrors are errors as OpenAI has them.
type openAIErrors struct{}

func (openAIErrors) failed() frame {
	return frame{data: map[string]any{"error": errorBody("server_error", "", "the model failed, as asked")}}
}

func (openAIErrors) refusal(r *refusal) any {
	return map[string]any{"error": errorBody(r.kind, r.code, r.message)}
}

func errorBody(kind, code, message string) map[string]any {
	body := map[string]any{"message": message, "type": kind, "param": nil, "code": nil}
	if code != "" {
		body["code"] = code
	}
	return body
}
