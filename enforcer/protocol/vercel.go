package protocol

import (
	"strings"
	"unicode/utf8"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// VercelAIGateway is the protocol that Vercel's AI SDK speaks to its AI Gateway, for every
// model that is named by a string alone (https://vercel.com/docs/ai-gateway, and the source
// of @ai-sdk/gateway). The SDK's versions 5, 6 and 7 have each a base and a specification of
// their own.
type VercelAIGateway struct {
	openAIRates
}

// vercelVersion is a version of the protocol.
type vercelVersion struct {
	// base is the path below which its clients ask, and specification the version of what
	// they send there, and read.
	base, specification string
}

// vercelVersions are those of the AI SDK 5, 6 and 7.
var vercelVersions = []vercelVersion{{"/v1/ai", "2"}, {"/v3/ai", "3"}, {"/v4/ai", "4"}}

// vercelCredits is where clients ask what is left of the account at the gateway.
const vercelCredits = "/v1/credits"

// The header fields that say what is asked for, as the body does in other protocols.
const (
	vercelLanguageModel     = "Ai-Language-Model-Id"
	vercelStreaming         = "Ai-Language-Model-Streaming"
	vercelLanguageVersion   = "Ai-Language-Model-Specification-Version"
	vercelEmbeddingModel    = "Ai-Model-Id"
	vercelEmbeddingVersion  = "Ai-Embedding-Model-Specification-Version"
	vercelGatewayVersion    = "Ai-Gateway-Protocol-Version"
	vercelGatewayAuthMethod = "Ai-Gateway-Auth-Method"
)

// Name is limiterv1.VercelAIGateway.
func (VercelAIGateway) Name() limiterv1.Protocol { return limiterv1.VercelAIGateway }

// Endpoints are those that have calls of models with text, in every version.
func (VercelAIGateway) Endpoints() (all []Endpoint) {
	for _, version := range vercelVersions {
		all = append(all, VercelLanguageModel{version}, VercelEmbeddingModel{version})
	}
	return all
}

// Prefixes are the bases of all versions. What is left of the account is nobody's business
// here: there is no endpoint for it.
func (VercelAIGateway) Prefixes() []string {
	prefixes := []string{vercelCredits}
	for _, version := range vercelVersions {
		prefixes = append(prefixes, version.base+"/")
	}
	return prefixes
}

// Fields are those that say what is asked for, and the version of the gateway's protocol.
// Which of a customer's teams pays is not sent on.
func (VercelAIGateway) Fields() Fields {
	return Fields{
		Forwarded: []string{vercelGatewayVersion},
		Decisive: []string{
			vercelLanguageModel, vercelStreaming, vercelLanguageVersion, vercelEmbeddingModel, vercelEmbeddingVersion,
		},
		Withheld: []string{"X-Vercel-"},
	}
}

// KeyParameter is none.
func (VercelAIGateway) KeyParameter() string { return "" }

// Authorize writes the provider's key as a bearer token, and says that it is a key.
func (VercelAIGateway) Authorize(header Header, key string) {
	if key != "" {
		header.Set("Authorization", "Bearer "+key)
		header.Set(vercelGatewayAuthMethod, "api-key")
	}
}

// TraceName is vercel_ai_gateway.
func (VercelAIGateway) TraceName() string { return "vercel_ai_gateway" }

type vercelProblem struct {
	Error openAIError `json:"error"`
	ProblemDetails
}

// ErrorBody is the error in the gateway's shape, which is a part of a stream as well.
func (VercelAIGateway) ErrorBody(err Error) any {
	problem := NewProblemDetails(err)
	problem.Type = "error" // by which clients know it in a stream; it is a URI reference as well
	e := openAIError{Message: err.Message, Type: vercelType(err), Code: err.Code}
	if err.Param != "" {
		e.Param = &err.Param
	}
	return vercelProblem{Error: e, ProblemDetails: problem}
}

// vercelType is the error's type among those of which the SDK makes errors of its own.
func vercelType(err Error) string {
	switch {
	case err.Status == StatusUnauthorized:
		return "authentication_error"
	case err.Status == StatusForbidden:
		return "forbidden"
	case err.Code == "model_not_found":
		return "model_not_found"
	case err.Status == StatusNotFound:
		return "not_found"
	case err.Status == StatusTooManyRequests || err.Status == StatusPaymentRequired:
		return "rate_limit_exceeded"
	case err.Status < 500:
		return "invalid_request_error"
	}
	return "internal_server_error"
}

type vercelModels struct {
	Models []vercelModel `json:"models"`
}

type vercelModel struct {
	ID            string              `json:"id"`
	Name          string              `json:"name"`
	Specification vercelSpecification `json:"specification"`
}

type vercelSpecification struct {
	SpecificationVersion string `json:"specificationVersion"`
	Provider             string `json:"provider"`
	ModelID              string `json:"modelId"`
}

// ModelsPaths are where the SDK asks for the available models.
func (VercelAIGateway) ModelsPaths() (paths []string) {
	for _, version := range vercelVersions {
		paths = append(paths, version.base+"/config")
	}
	return paths
}

// ModelsField is none.
func (VercelAIGateway) ModelsField() string { return "" }

// ListsAll is false: the SDK calls what is listed in this protocol.
func (VercelAIGateway) ListsAll() bool { return false }

// ModelList are the models in the gateway's shape, of the version whose clients ask there.
func (VercelAIGateway) ModelList(path string, models []ListedModel) any {
	specification := vercelSpecification{Provider: "gateway"}
	for _, version := range vercelVersions {
		if strings.HasPrefix(path, version.base) {
			specification.SpecificationVersion = "v" + version.specification
		}
	}
	list := vercelModels{Models: []vercelModel{}}
	for _, m := range models {
		specification.ModelID = m.Name
		list.Models = append(list.Models, vercelModel{ID: m.Name, Name: m.Name, Specification: specification})
	}
	return list
}

// field is the value of a header field that a request must have once.
func (in Incoming) field(name string) (string, *RequestError) {
	var values []string
	if in.Header != nil {
		values = in.Header.Values(name)
	}
	name = strings.ToLower(name)
	if len(values) != 1 || strings.TrimSpace(values[0]) == "" {
		return "", wrong(name, "must be in the header once")
	}
	value := strings.TrimSpace(values[0])
	if !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", wrong(name, "must be UTF-8 without control characters")
	}
	return strings.Clone(value), nil
}

// checkSpecification refuses a request of another version than is spoken at its path.
func (v vercelVersion) checkSpecification(in Incoming, name string) *RequestError {
	got, err := in.field(name)
	if err == nil && got != v.specification {
		return wrong(strings.ToLower(name), "must be %s below %s: with the AI SDK 5, 6 and 7, the baseURL ends in /v1/ai, /v3/ai and /v4/ai",
			v.specification, v.base)
	}
	return err
}
