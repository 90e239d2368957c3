package protocol

import (
	"net/url"
	"regexp"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// AzureOpenAI is OpenAI's API as Azure has it
// (https://learn.microsoft.com/azure/ai-foundry/openai/reference).
type AzureOpenAI struct {
	openAIErrors
	openAIRates
}

// Name is limiterv1.AzureOpenAI.
func (AzureOpenAI) Name() limiterv1.Protocol { return limiterv1.AzureOpenAI }

// Endpoints are those that have calls of models with text.
func (AzureOpenAI) Endpoints() []Endpoint {
	return []Endpoint{AzureChatCompletions{}, AzureEmbeddings{}}
}

// Prefixes are all of Azure's paths.
func (AzureOpenAI) Prefixes() []string { return []string{"/openai/"} }

// Fields are the client's key. What Azure says of the account is in OpenAI's fields.
func (AzureOpenAI) Fields() Fields { return Fields{Key: []string{"Api-Key"}} }

// KeyParameter is none.
func (AzureOpenAI) KeyParameter() string { return "" }

// Authorize writes the provider's key.
func (AzureOpenAI) Authorize(header Header, key string) { setKey(header, "Api-Key", key) }

// TraceName is azure.ai.openai.
func (AzureOpenAI) TraceName() string { return "azure.ai.openai" }

// AzureChatCompletions is OpenAI's Chat Completions API as Azure has it: the path
// names a deployment, which is the model that callers ask for, and decides; what the
// body may say of a model is not asked. A provider's endpoint ends in "/openai".
type AzureChatCompletions struct{}

// Protocol is AzureOpenAI.
func (AzureChatCompletions) Protocol() Protocol { return AzureOpenAI{} }

// Path is where clients find the API.
func (AzureChatCompletions) Path() string {
	return "/openai/deployments/" + wildcard + "/chat/completions"
}

// Operation is chat.
func (AzureChatCompletions) Operation() string { return "chat" }

// Read reads a request.
func (AzureChatCompletions) Read(in Incoming) (ParsedRequest, error) {
	version, err := apiVersion(in.Query)
	if err != nil {
		return nil, err
	}
	r, err := readChat(in.Body, in.Model)
	if err != nil {
		return nil, err
	}
	r.path = func(name string) string { return deploymentPath(name, "/chat/completions", version) }
	return r, nil
}

// AzureEmbeddings is OpenAI's Embeddings API as Azure has it.
type AzureEmbeddings struct{}

// Protocol is AzureOpenAI.
func (AzureEmbeddings) Protocol() Protocol { return AzureOpenAI{} }

// Path is where clients find the API.
func (AzureEmbeddings) Path() string { return "/openai/deployments/" + wildcard + "/embeddings" }

// Operation is embeddings.
func (AzureEmbeddings) Operation() string { return "embeddings" }

// Read reads a request.
func (AzureEmbeddings) Read(in Incoming) (ParsedRequest, error) {
	version, err := apiVersion(in.Query)
	if err != nil {
		return nil, err
	}
	r, err := readEmbeddings(in.Body, in.Model)
	if err != nil {
		return nil, err
	}
	r.path = func(name string) string { return deploymentPath(name, "/embeddings", version) }
	return r, nil
}

func deploymentPath(name, path, version string) string {
	return "/deployments/" + url.PathEscape(name) + path + "?api-version=" + url.QueryEscape(version)
}

var versions = regexp.MustCompile(`^(\d{4}-\d{2}-\d{2}(-preview)?|preview|latest)$`)

// apiVersion is the one thing that the query of a request may say.
func apiVersion(query url.Values) (string, *RequestError) {
	version := query["api-version"]
	if len(version) != 1 || !versions.MatchString(version[0]) {
		return "", wrong("api-version", "must be in the query exactly once, such as \"2024-10-21\"")
	}
	return version[0], nil
}
