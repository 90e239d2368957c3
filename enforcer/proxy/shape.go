package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// problem is the body of a refusal: the error in the shape of the protocol that was
// called, and beside it the members of RFC 9457.
type problem struct {
	Error  any    `json:"error"`
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	*limit
}

type openAIError struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    string  `json:"code"`
}

// anthropicError is Anthropic's, with a code that says more than the type.
type anthropicError struct {
	Type    string `json:"type"`
	Message string `json:"message"`
	Code    string `json:"code"`
}

// googleError is google.rpc.Status as Google's APIs write it.
type googleError struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Status  string          `json:"status"`
	Details []googleErrInfo `json:"details"`
}

// googleErrInfo is google.rpc.ErrorInfo.
type googleErrInfo struct {
	Type   string `json:"@type"`
	Reason string `json:"reason"`
	Domain string `json:"domain"`
}

// body is the body of the refusal, in one line of JSON.
func (r *refusal) body() []byte {
	p := problem{
		Type:   "urn:bursar:problem:" + strings.ReplaceAll(r.code, "_", "-"),
		Title:  r.title,
		Status: r.status,
		Detail: r.message,
		limit:  r.limit,
	}
	switch r.protocol {
	case limiterv1.Anthropic:
		// Clients know an error by this type, which is a URI reference as well.
		p.Type = "error"
		p.Error = anthropicError{Type: r.anthropicType(), Message: r.message, Code: r.code}
	case limiterv1.Gemini:
		p.Error = googleError{
			Code: r.status, Message: r.message, Status: r.googleStatus(),
			Details: []googleErrInfo{{"type.googleapis.com/google.rpc.ErrorInfo", strings.ToUpper(r.code), "bursar.dev"}},
		}
	default:
		e := openAIError{Message: r.message, Type: r.kind, Code: r.code}
		if r.param != "" {
			e.Param = &r.param
		}
		p.Error = e
	}
	body, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("proxy: a problem is always JSON: %v", err)) // strings, numbers and times of this era
	}
	return body
}

// anthropicType is the refusal's type among those of Anthropic's errors.
func (r *refusal) anthropicType() string {
	switch r.status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusPaymentRequired:
		return "billing_error"
	case http.StatusTooManyRequests:
		if r.kind == insufficientQuota {
			return "billing_error"
		}
		return "rate_limit_error"
	case http.StatusServiceUnavailable:
		return "overloaded_error"
	case http.StatusBadRequest, http.StatusMethodNotAllowed:
		return "invalid_request_error"
	}
	return "api_error"
}

// googleStatus is the refusal's google.rpc.Code.
func (r *refusal) googleStatus() string {
	switch r.status {
	case http.StatusUnauthorized:
		return "UNAUTHENTICATED"
	case http.StatusForbidden:
		return "PERMISSION_DENIED"
	case http.StatusNotFound:
		return "NOT_FOUND"
	case http.StatusTooManyRequests, http.StatusPaymentRequired:
		return "RESOURCE_EXHAUSTED"
	case http.StatusMethodNotAllowed:
		return "UNIMPLEMENTED"
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return "INVALID_ARGUMENT"
	}
	return "UNAVAILABLE"
}

// protocolOf is the protocol whose clients ask at a path that nothing is at.
func protocolOf(path string) limiterv1.Protocol {
	switch {
	case strings.HasPrefix(path, "/v1/messages"), strings.HasPrefix(path, "/v1/complete"):
		return limiterv1.Anthropic
	case strings.HasPrefix(path, "/v1beta/"), strings.HasPrefix(path, "/v1/models/"):
		return limiterv1.Gemini
	}
	return limiterv1.OpenAI
}
