package protocol

import (
	"cmp"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// Anthropic is the API of Claude (https://docs.anthropic.com/en/api).
type Anthropic struct{}

// Name is limiterv1.Anthropic.
func (Anthropic) Name() limiterv1.Protocol { return limiterv1.Anthropic }

// Endpoints are those that have calls of models, and what counts their tokens.
func (Anthropic) Endpoints() []Endpoint { return []Endpoint{Messages{}, CountTokens{}} }

// Prefixes are the paths of messages, and of the completions that came before them.
func (Anthropic) Prefixes() []string { return []string{"/v1/messages", "/v1/complete"} }

// Fields are the client's key, the version of the API that is spoken (what a version adds
// and costs stands in the body), and those of Anthropic's organisations and rate limits.
func (Anthropic) Fields() Fields {
	return Fields{
		Key:       []string{"X-Api-Key"},
		Forwarded: []string{"Anthropic-Version", "Anthropic-Beta"},
		Withheld:  []string{"Anthropic-Organization-Id", "Anthropic-Ratelimit-", "Anthropic-Priority-"},
	}
}

// KeyParameter is none.
func (Anthropic) KeyParameter() string { return "" }

// Authorize writes the provider's key, and the version of the API, without which there
// is no answer, where the client named none.
func (Anthropic) Authorize(header Header, key string) {
	setKey(header, "X-Api-Key", key)
	header.Set("Anthropic-Version", cmp.Or(header.Get("Anthropic-Version"), "2023-06-01"))
}

type anthropicProblem struct {
	Error anthropicError `json:"error"`
	ProblemDetails
}

// anthropicError is Anthropic's, with a code that says more than the type.
type anthropicError struct {
	Type    string `json:"type"`
	Message string `json:"message"`
	Code    string `json:"code"`
	// Details say more of an error of a thread.
	Details *threadRefusal `json:"details,omitempty"`
}

// ErrorBody is the error in Anthropic's shape.
func (Anthropic) ErrorBody(err Error) any {
	problem := NewProblemDetails(err)
	problem.Type = "error" // clients know an error by this type, which is a URI reference as well
	return anthropicProblem{
		Error:          anthropicError{Type: anthropicType(err), Message: err.Message, Code: err.Code, Details: threadRefusalOf(err)},
		ProblemDetails: problem,
	}
}

// anthropicType is the error's type among those of Anthropic's errors.
func anthropicType(err Error) string {
	switch err.Status {
	case StatusUnauthorized:
		return "authentication_error"
	case StatusForbidden:
		return "permission_error"
	case StatusNotFound:
		return "not_found_error"
	case StatusRequestEntityTooLarge:
		return "request_too_large"
	case StatusPaymentRequired:
		return "billing_error"
	case StatusTooManyRequests:
		if err.Kind == InsufficientQuota {
			return "billing_error"
		}
		return "rate_limit_error"
	case StatusServiceUnavailable:
		return "overloaded_error"
	case StatusBadRequest, StatusMethodNotAllowed:
		return "invalid_request_error"
	}
	return "api_error"
}

var anthropicRateFields = map[limiterv1.Unit]rateFields{
	limiterv1.Requests: {"Anthropic-Ratelimit-Requests-Limit", "Anthropic-Ratelimit-Requests-Remaining", "Anthropic-Ratelimit-Requests-Reset"},
	limiterv1.Tokens:   {"Anthropic-Ratelimit-Tokens-Limit", "Anthropic-Ratelimit-Tokens-Remaining", "Anthropic-Ratelimit-Tokens-Reset"},
}

// SetRate writes the anthropic-ratelimit fields, whose reset is a moment.
func (Anthropic) SetRate(header Header, rate Rate, now time.Time) {
	reset := now.Add(RoundUp(rate.FullIn, time.Second)).UTC().Format(time.RFC3339)
	anthropicRateFields[rate.Unit].set(header, rate, reset)
}

// TraceName is anthropic.
func (Anthropic) TraceName() string { return "anthropic" }

// anthropicModels is the list of models in Anthropic's shape.
type anthropicModels struct {
	Data    []anthropicModel `json:"data"`
	HasMore bool             `json:"has_more"`
	FirstID *string          `json:"first_id"`
	LastID  *string          `json:"last_id"`
}

type anthropicModel struct {
	Type        string `json:"type"`
	ID          string `json:"id"`
	DisplayName string `json:"display_name"`
	CreatedAt   string `json:"created_at"`
	MaxInput    int64  `json:"max_input_tokens,omitempty"`
	MaxTokens   int64  `json:"max_tokens,omitempty"`
}

// unknownDate is what Anthropic's API says where it does not know when a model was released.
const unknownDate = "1970-01-01T00:00:00Z"

// ModelsPaths is where Anthropic's clients ask for the list of models, as do OpenAI's.
func (Anthropic) ModelsPaths() []string { return []string{"/v1/models"} }

// ModelsField is what all of Anthropic's clients send.
func (Anthropic) ModelsField() string { return "Anthropic-Version" }

// ListsAll is false.
func (Anthropic) ListsAll() bool { return false }

// ModelList is the list of models in Anthropic's shape, on one page.
func (Anthropic) ModelList(_ string, models []ListedModel) any {
	list := anthropicModels{Data: []anthropicModel{}}
	for _, m := range models {
		list.Data = append(list.Data, newAnthropicModel(m))
	}
	if n := len(list.Data); n > 0 {
		list.FirstID, list.LastID = &list.Data[0].ID, &list.Data[n-1].ID
	}
	return list
}

// ModelDetail is a model in Anthropic's shape.
func (Anthropic) ModelDetail(m ListedModel) any { return newAnthropicModel(m) }

func newAnthropicModel(m ListedModel) anthropicModel {
	return anthropicModel{
		Type: "model", ID: m.Name, DisplayName: m.Name, CreatedAt: unknownDate, MaxInput: m.ContextWindow, MaxTokens: m.MaxOutputTokens,
	}
}
