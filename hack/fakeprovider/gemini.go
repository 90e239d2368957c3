package fakeprovider

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// geminiAPI is Gemini's generateContent and streamGenerateContent.
type geminiAPI struct{}

// geminiContent is one message.
type geminiContent struct {
	Role  string `json:"role"`
	Parts []struct {
		Text       string          `json:"text"`
		InlineData json.RawMessage `json:"inlineData"`
		Response   json.RawMessage `json:"functionResponse"`
	} `json:"parts"`
}

func (geminiAPI) read(path string, r *http.Request, body []byte) (request, error) {
	var in struct {
		Contents          []geminiContent `json:"contents"`
		SystemInstruction geminiContent   `json:"systemInstruction"`
		GenerationConfig  struct {
			MaxOutputTokens  *int            `json:"maxOutputTokens"`
			CandidateCount   *int            `json:"candidateCount"`
			ResponseMimeType string          `json:"responseMimeType"`
			ResponseSchema   json.RawMessage `json:"responseSchema"`
			JSONSchema       json.RawMessage `json:"responseJsonSchema"`
		} `json:"generationConfig"`
		Tools []struct {
			Functions []geminiFunction `json:"functionDeclarations"`
		} `json:"tools"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return request{}, fmt.Errorf("the body is not a generateContent request: %w", err)
	}
	model, method, _ := strings.Cut(path, ":")
	config := in.GenerationConfig
	out := request{model: model, choices: 1, bound: config.MaxOutputTokens}
	out.structure = structure(config.ResponseMimeType, config.ResponseSchema, config.JSONSchema)
	for _, t := range in.Tools {
		for _, f := range t.Functions {
			out.tools = append(out.tools, tool{kind: "function", name: f.Name, schema: firstOf(f.Parameters, f.JSONSchema)})
		}
	}
	switch method {
	case "generateContent":
	case "streamGenerateContent":
		out.stream = true
		if r.URL.Query().Get("alt") != "sse" {
			return request{}, errors.New("this fake streams server-sent events only: use alt=sse")
		}
	default:
		return request{}, fmt.Errorf("unknown method %q", method)
	}
	if n := config.CandidateCount; n != nil {
		out.choices = *n
	}
	out.addContents(append(in.Contents, in.SystemInstruction))
	return out, nil
}

// addContents adds messages, and takes the last one of the user for the prompt.
func (r *request) addContents(contents []geminiContent) {
	for _, c := range contents {
		if len(c.Parts) == 0 {
			continue
		}
		r.messages++
		var texts []string
		resumed := false
		for _, p := range c.Parts {
			r.text(p.Text)
			texts = append(texts, p.Text)
			if len(p.InlineData) > 0 {
				r.images++
			}
			resumed = resumed || len(p.Response) > 0
		}
		r.resumed = r.resumed || resumed
		if c.Role == "user" && !resumed {
			r.prompt, r.resumed = strings.Join(texts, " "), false
		}
	}
}

// geminiFunction is a tool that the client runs.
type geminiFunction struct {
	Name       string          `json:"name"`
	Parameters json.RawMessage `json:"parameters"`
	JSONSchema json.RawMessage `json:"parametersJsonSchema"`
}

// usageSoFar is the usage that every chunk has. Zeros are left out, except the prompt's.
func (a *answer) usageSoFar(chunk map[string]any) map[string]any {
	r, ok := a.usage()
	if !ok {
		return chunk
	}
	usage := map[string]any{
		"promptTokenCount": r.InputTokens, "totalTokenCount": r.InputTokens + r.OutputTokens,
	}
	if n := r.out(r.ThoughtTokens); n != int64(0) || r.kind == usageZero {
		usage["candidatesTokenCount"] = n
	}
	for name, n := range map[string]int64{"thoughtsTokenCount": r.ThoughtTokens, "cachedContentTokenCount": r.CachedInputTokens} {
		if n != 0 {
			usage[name] = n
		}
	}
	if r.AudioInputTokens != 0 {
		usage["promptTokensDetails"] = []any{
			map[string]any{"modality": "TEXT", "tokenCount": r.InputTokens - r.AudioInputTokens},
			map[string]any{"modality": "AUDIO", "tokenCount": r.AudioInputTokens},
		}
	}
	chunk["usageMetadata"] = usage
	return chunk
}

func (a *answer) candidates(texts []string, first int, finished bool) map[string]any {
	candidates := make([]any, len(texts))
	for i, text := range texts {
		parts := []any{map[string]any{"text": text}}
		if finished && a.call != nil {
			parts = append(parts, map[string]any{"functionCall": map[string]any{"name": a.call.name, "args": a.call.input()}})
		}
		candidate := map[string]any{"content": map[string]any{"role": "model", "parts": parts}, "index": first + i}
		if finished && a.directives.searches > 0 {
			queries := make([]string, a.directives.searches)
			candidate["groundingMetadata"] = map[string]any{"webSearchQueries": queries}
		}
		if finished && !a.directives.noend {
			candidate["finishReason"] = map[bool]string{true: "MAX_TOKENS", false: "STOP"}[a.cutShort]
		}
		candidates[i] = candidate
	}
	return a.usageSoFar(map[string]any{"candidates": candidates, "modelVersion": a.request.model, "responseId": a.id})
}

func (geminiAPI) whole(a *answer, texts []string) any { return a.candidates(texts, 0, true) }
func (geminiAPI) begin(*answer) []frame               { return nil }

func (geminiAPI) token(a *answer, choice int, text string) frame {
	return frame{data: a.candidates([]string{text}, choice, false)}
}

func (geminiAPI) end(a *answer) []frame {
	return []frame{{data: a.candidates(make([]string, a.request.choices), 0, true)}}
}

func (api geminiAPI) failed() frame {
	return frame{data: api.refusal(&refusal{status: http.StatusInternalServerError, message: "the model failed, as asked"})}
}

func (geminiAPI) refusal(r *refusal) any {
	names := map[int]string{
		http.StatusUnauthorized: "UNAUTHENTICATED", http.StatusNotFound: "NOT_FOUND",
		http.StatusTooManyRequests: "RESOURCE_EXHAUSTED", http.StatusBadRequest: "INVALID_ARGUMENT",
	}
	name, ok := names[r.status]
	if !ok {
		name = "INTERNAL"
	}
	said := map[string]any{"code": r.status, "message": r.message, "status": name}
	if r.code == "API_KEY_INVALID" {
		said["details"] = []any{map[string]any{
			"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": r.code, "domain": "googleapis.com",
			"metadata": map[string]any{"service": "generativelanguage.googleapis.com"},
		}}
	}
	return map[string]any{"error": said}
}
