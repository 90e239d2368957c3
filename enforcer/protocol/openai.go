package protocol

import (
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// OpenAI is OpenAI's API, and that of every provider that is compatible with it
// (https://platform.openai.com/docs/api-reference).
type OpenAI struct {
	openAIErrors
	openAIRates
}

// Name is limiterv1.OpenAI.
func (OpenAI) Name() limiterv1.Protocol { return limiterv1.OpenAI }

// Endpoints are those that have calls of models with text, and what helps with them.
func (OpenAI) Endpoints() []Endpoint {
	return []Endpoint{ChatCompletions{}, Responses{}, Compact{}, Embeddings{}, ResponsesInputTokens{}, Moderations{}}
}

// Prefixes are all paths that no other protocol has.
func (OpenAI) Prefixes() []string { return []string{"/"} }

// Fields are those of OpenAI's organisations and rate limits.
func (OpenAI) Fields() Fields {
	return Fields{Withheld: []string{"Openai-Organization", "Openai-Project", "X-Ratelimit-"}}
}

// KeyParameter is none.
func (OpenAI) KeyParameter() string { return "" }

// Authorize writes the provider's key as a bearer token.
func (OpenAI) Authorize(header Header, key string) {
	if key != "" {
		header.Set("Authorization", "Bearer "+key)
	}
}

// TraceName is openai.
func (OpenAI) TraceName() string { return "openai" }

// openAIErrors writes errors in OpenAI's shape.
type openAIErrors struct{}

type openAIProblem struct {
	Error openAIError `json:"error"`
	ProblemDetails
}

type openAIError struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    string  `json:"code"`
}

// ErrorBody is the error in OpenAI's shape.
func (openAIErrors) ErrorBody(err Error) any {
	e := openAIError{Message: err.Message, Type: openAIType(err.Kind), Code: err.Code}
	if err.Param != "" {
		e.Param = &err.Param
	}
	return openAIProblem{Error: e, ProblemDetails: NewProblemDetails(err)}
}

// openAIType is the kind among OpenAI's error types.
func openAIType(kind ErrorKind) string {
	switch kind {
	case InvalidRequest:
		return "invalid_request_error"
	case PermissionDenied:
		return "permission_error"
	case InsufficientQuota:
		return "insufficient_quota"
	case RateLimited:
		return "rate_limit_error"
	}
	return "server_error"
}

// openAIRates writes how rate limits stand in OpenAI's fields.
type openAIRates struct{}

var openAIRateFields = map[limiterv1.Unit]rateFields{
	limiterv1.Requests: {"X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests"},
	limiterv1.Tokens:   {"X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens"},
}

// SetRate writes the x-ratelimit fields, whose reset is a duration.
func (openAIRates) SetRate(header Header, rate Rate, _ time.Time) {
	openAIRateFields[rate.Unit].set(header, rate, RoundUp(rate.FullIn, time.Millisecond).String())
}

// openAIModels is the list of models in OpenAI's shape.
type openAIModels struct {
	Object string        `json:"object"`
	Data   []openAIModel `json:"data"`
}

type openAIModel struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

// ModelsPaths is where OpenAI's clients ask for the list of models.
func (OpenAI) ModelsPaths() []string { return []string{"/v1/models"} }

// ModelsField is none.
func (OpenAI) ModelsField() string { return "" }

// ListsAll is true: much software knows only this way to ask for models.
func (OpenAI) ListsAll() bool { return true }

// ModelList is the list of models in OpenAI's shape.
func (OpenAI) ModelList(_ string, models []ListedModel) any {
	list := openAIModels{Object: "list", Data: []openAIModel{}}
	for _, m := range models {
		list.Data = append(list.Data, openAIModel{ID: m.Name, Object: "model", OwnedBy: m.Owner})
	}
	return list
}

// ModelDetail is a model in OpenAI's shape.
func (OpenAI) ModelDetail(m ListedModel) any {
	return openAIModel{ID: m.Name, Object: "model", OwnedBy: m.Owner}
}
