package protocol

import (
	"strings"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// Gemini is the Gemini API (https://ai.google.dev/api). Google has no fields for how rate
// limits stand: they are written in OpenAI's.
type Gemini struct{ openAIRates }

// Name is limiterv1.Gemini.
func (Gemini) Name() limiterv1.Protocol { return limiterv1.Gemini }

// someReadNoComments: Google's client for JavaScript takes a comment for a part of an event.
func (Gemini) someReadNoComments() {}

// Endpoints are the two methods of a model that give text, and the one that counts tokens.
func (Gemini) Endpoints() []Endpoint {
	return []Endpoint{GenerateContent{}, GenerateContent{Streamed: true}, GeminiCountTokens{}}
}

// Prefixes are the paths of the API's versions. Below "/v1/models/", OpenAI's clients have
// nothing to ask for here.
func (Gemini) Prefixes() []string { return []string{"/v1beta/", "/v1/models/"} }

// Fields are the client's key.
func (Gemini) Fields() Fields { return Fields{Key: []string{"X-Goog-Api-Key"}} }

// KeyParameter is key.
func (Gemini) KeyParameter() string { return "key" }

// Authorize writes the provider's key.
func (Gemini) Authorize(header Header, key string) { setKey(header, "X-Goog-Api-Key", key) }

type googleProblem struct {
	Error googleError `json:"error"`
	ProblemDetails
}

// googleError is google.rpc.Status as Google's APIs write it
// (https://cloud.google.com/apis/design/errors).
type googleError struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Status  string          `json:"status"`
	Details []googleErrInfo `json:"details"`
}

// errorInfo is the type of a googleErrInfo.
const errorInfo = "type.googleapis.com/google.rpc.ErrorInfo"

// googleErrInfo is google.rpc.ErrorInfo.
type googleErrInfo struct {
	Type   string `json:"@type"`
	Reason string `json:"reason"`
	Domain string `json:"domain"`
}

// ErrorBody is the error in Google's shape.
func (Gemini) ErrorBody(err Error) any {
	info := googleErrInfo{errorInfo, strings.ToUpper(err.Code), "bursar.dev"}
	return googleProblem{
		Error: googleError{
			Code: err.Status, Message: err.Message, Status: googleStatus(err.Status), Details: []googleErrInfo{info},
		},
		ProblemDetails: NewProblemDetails(err),
	}
}

// googleStatus is the google.rpc.Code of an HTTP status.
func googleStatus(status int) string {
	switch status {
	case StatusUnauthorized:
		return "UNAUTHENTICATED"
	case StatusForbidden:
		return "PERMISSION_DENIED"
	case StatusNotFound:
		return "NOT_FOUND"
	case StatusTooManyRequests, StatusPaymentRequired:
		return "RESOURCE_EXHAUSTED"
	case StatusMethodNotAllowed:
		return "UNIMPLEMENTED"
	case StatusBadRequest, StatusRequestEntityTooLarge:
		return "INVALID_ARGUMENT"
	}
	return "UNAVAILABLE"
}

// TraceName is gcp.gemini.
func (Gemini) TraceName() string { return "gcp.gemini" }

// googleModels is the list of models in Google's shape.
type googleModels struct {
	Models []googleModel `json:"models"`
}

type googleModel struct {
	Name             string   `json:"name"`
	DisplayName      string   `json:"displayName"`
	InputTokenLimit  int64    `json:"inputTokenLimit,omitempty"`
	OutputTokenLimit int64    `json:"outputTokenLimit,omitempty"`
	Methods          []string `json:"supportedGenerationMethods"`
}

// ModelsPaths is where Google's clients ask for the list of models.
func (Gemini) ModelsPaths() []string { return []string{"/v1beta/models"} }

// ModelsField is none.
func (Gemini) ModelsField() string { return "" }

// ListsAll is false.
func (Gemini) ListsAll() bool { return false }

// ModelList is the list of models in Google's shape, on one page.
func (Gemini) ModelList(_ string, models []ListedModel) any {
	list := googleModels{Models: []googleModel{}}
	for _, m := range models {
		list.Models = append(list.Models, newGoogleModel(m))
	}
	return list
}

// ModelDetail is a model in Google's shape.
func (Gemini) ModelDetail(m ListedModel) any { return newGoogleModel(m) }

func newGoogleModel(m ListedModel) googleModel {
	return googleModel{
		Name: modelsPrefix + m.Name, DisplayName: m.Name, InputTokenLimit: m.ContextWindow, OutputTokenLimit: m.MaxOutputTokens,
		Methods: []string{"generateContent", "countTokens"},
	}
}
