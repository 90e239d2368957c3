package fakeprovider

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// helpers are the endpoints that providers do not bill, by their patterns: they count the tokens of a
// request, moderate a text, and describe a model.
func (p *Provider) helpers() map[string]http.Handler {
	inputTokens := func(n int64) map[string]any { return map[string]any{"input_tokens": n} }
	return map[string]http.Handler{
		"POST /v1/messages/count_tokens": p.authenticated(messagesAPI{}, p.counting(messagesCountAPI{}, inputTokens)),
		"POST /v1/responses/input_tokens": p.authenticated(responsesAPI{}, p.counting(responsesAPI{}, func(n int64) map[string]any {
			return map[string]any{"object": "response.input_tokens", "input_tokens": n}
		})),
		"POST /v1/moderations":   p.authenticated(chatAPI{}, moderate),
		"GET /v1/models/{model}": p.authenticated(chatAPI{}, p.showModel),
	}
}

// counting answers how many tokens a request to an API has, in its shape.
func (p *Provider) counting(api api, shape func(tokens int64) map[string]any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err == nil {
			var request request
			if request, err = api.read(r.PathValue("model"), r, body); err == nil {
				writeJSON(w, r, marshal(shape(request.inputTokens(p.models[request.model], directives{}))))
				return
			}
		}
		writeError(w, api, &refusal{http.StatusBadRequest, "invalid_request_error", "", err.Error()})
	}
}

// messagesCountAPI reads a request to Messages that bounds no output.
type messagesCountAPI struct{ messagesAPI }

func (messagesCountAPI) read(model string, r *http.Request, body []byte) (request, error) {
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(body, &members); err != nil {
		return request{}, err
	}
	members["max_tokens"] = json.RawMessage("1")
	return messagesAPI{}.read(model, r, marshal(members))
}

// geminiCountAPI reads a request to countTokens.
type geminiCountAPI struct{ geminiAPI }

func (geminiCountAPI) read(model string, r *http.Request, body []byte) (request, error) {
	return geminiAPI{}.read(strings.TrimSuffix(model, ":countTokens")+":generateContent", r, body)
}

// gemini answers a call of one of Gemini's methods.
func (p *Provider) gemini(w http.ResponseWriter, r *http.Request, path string) {
	if strings.HasSuffix(r.PathValue("model"), ":countTokens") {
		p.counting(geminiCountAPI{}, func(n int64) map[string]any { return map[string]any{"totalTokens": n} })(w, r)
		return
	}
	p.call(w, r, path, geminiAPI{})
}

// moderate flags nothing.
func moderate(w http.ResponseWriter, r *http.Request) {
	result := map[string]any{"flagged": false, "categories": map[string]any{}, "category_scores": map[string]any{}}
	writeJSON(w, r, marshal(map[string]any{"id": "modr-1", "model": "omni-moderation-latest", "results": []any{result}}))
}

func (p *Provider) showModel(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("model")
	if _, known := p.models[name]; !known {
		writeError(w, chatAPI{}, &refusal{http.StatusNotFound, "invalid_request_error", "model_not_found", "The model " + name + " does not exist."})
		return
	}
	writeJSON(w, r, marshal(map[string]any{"id": name, "object": "model", "created": created, "owned_by": "fake"}))
}
