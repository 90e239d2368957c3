package fakeprovider

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strconv"
)

// vercelAPI is Vercel AI Gateway's own protocol, as the AI SDK speaks it: a call of a language
// model, or, if embeds is set, of an embedding model.
type vercelAPI struct {
	// specification is 2, 3 or 4.
	specification int
	embeds        bool
}

// vercelAPIs are the APIs of all versions, by their paths.
func vercelAPIs() map[string]api {
	apis := map[string]api{}
	for base, specification := range map[string]int{"/v1/ai": 2, "/v3/ai": 3, "/v4/ai": 4} {
		apis[base+"/language-model"] = vercelAPI{specification: specification}
		apis[base+"/embedding-model"] = vercelAPI{specification: specification, embeds: true}
	}
	return apis
}

func (v vercelAPI) read(_ string, r *http.Request, body []byte) (request, error) {
	if v.embeds {
		return v.readEmbedding(r, body)
	}
	var in struct {
		Prompt          []message `json:"prompt"`
		MaxOutputTokens *int      `json:"maxOutputTokens"`
		Tools           []offered `json:"tools"`
		ResponseFormat  struct {
			Type   string          `json:"type"`
			Schema json.RawMessage `json:"schema"`
		} `json:"responseFormat"`
		ProviderOptions map[string]struct {
			ServiceTier string `json:"serviceTier"`
			User        string `json:"user"`
		} `json:"providerOptions"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return request{}, fmt.Errorf("the body is not a call of a language model: %w", err)
	}
	if err := v.checkVersion(r, "Ai-Language-Model-Specification-Version"); err != nil {
		return request{}, err
	}
	if len(in.Prompt) == 0 || in.MaxOutputTokens != nil && *in.MaxOutputTokens < 1 {
		return request{}, errors.New("prompt must not be empty, and maxOutputTokens at least 1")
	}
	streamed, err := strconv.ParseBool(r.Header.Get("Ai-Language-Model-Streaming"))
	if err != nil {
		return request{}, errors.New("ai-language-model-streaming must be true or false")
	}
	out := request{
		model: r.Header.Get("Ai-Language-Model-Id"), stream: streamed, bound: in.MaxOutputTokens, choices: 1,
		tier: in.ProviderOptions["openai"].ServiceTier, user: in.ProviderOptions["gateway"].User,
	}
	out.addMessages(in.Prompt)
	out.offer(in.Tools)
	out.structure = structure(in.ResponseFormat.Type, in.ResponseFormat.Schema)
	return out, nil
}

func (v vercelAPI) checkVersion(r *http.Request, name string) error {
	if got := r.Header.Get(name); got != strconv.Itoa(v.specification) {
		return fmt.Errorf("%s is %q, and must be %d", name, got, v.specification)
	}
	return nil
}

// readEmbedding reads the texts to embed: input in specification 2, values from 3 on.
func (v vercelAPI) readEmbedding(r *http.Request, body []byte) (request, error) {
	var in struct {
		Input  json.RawMessage `json:"input"`
		Values []string        `json:"values"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return request{}, fmt.Errorf("the body is not a call of an embedding model: %w", err)
	}
	if err := v.checkVersion(r, "Ai-Embedding-Model-Specification-Version"); err != nil {
		return request{}, err
	}
	if v.specification == 2 {
		var one string
		if json.Unmarshal(in.Input, &one) == nil {
			in.Values = []string{one}
		} else if err := json.Unmarshal(in.Input, &in.Values); err != nil {
			return request{}, errors.New("input is neither a text nor several")
		}
	}
	if len(in.Values) == 0 {
		return request{}, errors.New("there is nothing to embed")
	}
	out := request{model: r.Header.Get("Ai-Model-Id"), choices: 1, silent: true, inputs: len(in.Values)}
	for _, text := range in.Values {
		out.text(text)
		out.prompt = text
	}
	return out, nil
}

// usage is the usage as the specification has it.
func (v vercelAPI) usage(r reported) any {
	writes := r.CacheWriteTokens + r.CacheWrite1hTokens
	if v.specification == 2 {
		return map[string]any{
			"inputTokens": r.InputTokens, "outputTokens": r.out(0), "cachedInputTokens": r.CachedInputTokens, "reasoningTokens": r.ThoughtTokens,
		}
	}
	return map[string]any{
		"inputTokens": map[string]any{
			"total": r.InputTokens, "noCache": r.InputTokens - r.CachedInputTokens - writes,
			"cacheRead": r.CachedInputTokens, "cacheWrite": writes,
		},
		"outputTokens": map[string]any{"total": r.out(0), "text": r.OutputTokens - r.ThoughtTokens, "reasoning": r.ThoughtTokens},
		"raw":          map[string]any{"prompt_tokens": r.InputTokens, "completion_tokens": r.OutputTokens},
	}
}

// vercelMetadata is what the gateway and the provider report of a call, including its cost.
func (a *answer) vercelMetadata() map[string]any {
	call := a.line.snapshot()
	const nanosPerDollar = 1_000_000_000
	cost := big.NewRat(a.line.model.cost(call), nanosPerDollar).FloatString(9)
	return map[string]any{
		"gateway": map[string]any{
			"cost": cost, "marketCost": cost, "generationId": "gen_" + a.id,
			"routing": map[string]any{"finalProvider": "fake"},
		},
		"openai": map[string]any{"serviceTier": reported{BilledCall: call}.tier()},
	}
}

// ending are the members of the end of an answer.
func (v vercelAPI) ending(a *answer) map[string]any {
	reason := "stop"
	switch {
	case a.call != nil:
		reason = "tool-calls"
	case a.cutShort:
		reason = "length"
	}
	end := map[string]any{"finishReason": reason, "providerMetadata": a.vercelMetadata(), "usage": map[string]any{}}
	if v.specification > 2 {
		end["finishReason"] = map[string]any{"unified": reason, "raw": reason}
	}
	if r, ok := a.usage(); ok {
		end["usage"] = v.usage(r)
	}
	return end
}

func (a *answer) vercelCall() map[string]any {
	return map[string]any{"type": "tool-call", "toolCallId": "call_" + a.id, "toolName": a.call.name, "input": a.call.arguments}
}

func (v vercelAPI) whole(a *answer, texts []string) any {
	if v.embeds {
		vector := make([][]float64, a.request.inputs)
		for i := range vector {
			vector[i] = []float64{0.25, 0.5, 0.75}
		}
		body := map[string]any{"embeddings": vector, "providerMetadata": a.vercelMetadata()}
		if r, ok := a.usage(); ok {
			body["usage"] = map[string]any{"tokens": r.in()}
		}
		return body
	}
	body := v.ending(a)
	content := []any{map[string]any{"type": "text", "text": texts[0]}}
	if a.call != nil {
		content = append(content, a.vercelCall())
	}
	body["content"], body["warnings"] = content, []any{}
	body["response"] = map[string]any{"id": a.id, "modelId": a.request.model, "timestamp": "2023-11-14T22:13:20.000Z"}
	return body
}

func vercelPart(kind string, members map[string]any) frame {
	members["type"] = kind
	return frame{"", members}
}

func (vercelAPI) begin(a *answer) []frame {
	return []frame{
		vercelPart("stream-start", map[string]any{"warnings": []any{}}),
		vercelPart("response-metadata", map[string]any{"id": a.id, "modelId": a.request.model, "timestamp": "2023-11-14T22:13:20.000Z"}),
		vercelPart("text-start", map[string]any{"id": "0"}),
	}
}

func (vercelAPI) token(_ *answer, _ int, text string) frame {
	return vercelPart("text-delta", map[string]any{"id": "0", "delta": text})
}

func (v vercelAPI) end(a *answer) []frame {
	frames := []frame{vercelPart("text-end", map[string]any{"id": "0"})}
	if a.call != nil {
		frames = append(frames, frame{"", a.vercelCall()})
	}
	frames = append(frames, vercelPart("finish", v.ending(a)))
	if a.directives.noend {
		return frames
	}
	return append(frames, frame{data: done})
}

func (vercelAPI) failed() frame {
	return vercelPart("error", map[string]any{"error": map[string]any{"type": "internal_server_error", "message": "the model failed, as asked"}})
}

func (vercelAPI) refusal(r *refusal) any {
	kinds := map[int]string{
		http.StatusUnauthorized: "authentication_error", http.StatusNotFound: "model_not_found",
		http.StatusTooManyRequests: "rate_limit_exceeded", http.StatusBadRequest: "invalid_request_error",
	}
	kind, ok := kinds[r.status]
	if !ok {
		kind = "internal_server_error"
	}
	return map[string]any{"error": map[string]any{"message": r.message, "type": kind, "param": nil, "code": nil}}
}
