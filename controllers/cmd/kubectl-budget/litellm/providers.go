package litellm

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/cmd/kubectl-budget/priceimport"
)

// provider is how a provider of LiteLLM's is called.
type provider struct {
	protocol string
	// endpoint is the endpoint unless api_base names one; empty if api_base has to.
	endpoint string
	// version is appended to an api_base that is only a host.
	version string
	// keyless is whether it needs no key unless one is given.
	keyless bool
}

var providers = map[string]provider{
	"openai":            {protocol: "OpenAI", endpoint: "https://api.openai.com/v1"},
	"azure":             {protocol: "AzureOpenAI", version: "/openai"},
	"anthropic":         {protocol: "Anthropic", endpoint: "https://api.anthropic.com/v1", version: "/v1"},
	"gemini":            {protocol: "Gemini", endpoint: "https://generativelanguage.googleapis.com/v1beta", version: "/v1beta"},
	"vercel_ai_gateway": {protocol: "VercelAIGateway", endpoint: "https://ai-gateway.vercel.sh"},
	"cerebras":          {protocol: "OpenAI", endpoint: "https://api.cerebras.ai/v1"},
	"deepinfra":         {protocol: "OpenAI", endpoint: "https://api.deepinfra.com/v1/openai"},
	"deepseek":          {protocol: "OpenAI", endpoint: "https://api.deepseek.com/v1"},
	"fireworks_ai":      {protocol: "OpenAI", endpoint: "https://api.fireworks.ai/inference/v1"},
	"groq":              {protocol: "OpenAI", endpoint: "https://api.groq.com/openai/v1"},
	"mistral":           {protocol: "OpenAI", endpoint: "https://api.mistral.ai/v1"},
	"nvidia_nim":        {protocol: "OpenAI", endpoint: "https://integrate.api.nvidia.com/v1"},
	"openrouter":        {protocol: "OpenAI", endpoint: "https://openrouter.ai/api/v1"},
	"perplexity":        {protocol: "OpenAI", endpoint: "https://api.perplexity.ai"},
	"together_ai":       {protocol: "OpenAI", endpoint: "https://api.together.xyz/v1"},
	"xai":               {protocol: "OpenAI", endpoint: "https://api.x.ai/v1"},
	"custom_openai":     {protocol: "OpenAI"},
	"hosted_vllm":       {protocol: "OpenAI", keyless: true},
	"litellm_proxy":     {protocol: "OpenAI"},
	"lm_studio":         {protocol: "OpenAI", keyless: true},
	"ollama":            {protocol: "OpenAI", version: "/v1", keyless: true},
	"ollama_chat":       {protocol: "OpenAI", version: "/v1", keyless: true},
	"openai_like":       {protocol: "OpenAI"},
}

// notOfCalls are members of a deployment that make no difference to callers here.
var notOfCalls = []string{"id", "created_at", "updated_at", "created_by", "updated_by", "db_model", "description", "metadata", "tags", "base_model", "mode", "access_groups",
	"max_tokens", "key", "litellm_provider", "custom_llm_provider"}

// readPrices reads LiteLLM's table.
func (i *importer) readPrices() (table map[string]json.RawMessage, err error) {
	if i.Prices == nil {
		return nil, nil
	}
	raw, err := io.ReadAll(i.Prices.Content)
	if err == nil {
		err = json.Unmarshal(raw, &table)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", i.Prices.Name, err)
	}
	return table, nil
}

// readDeployment adds a deployment of model_list to the ModelProvider of its endpoint and key.
func (i *importer) readDeployment(deployment record, table map[string]json.RawMessage) {
	name := deployment.text("model_name")
	params, info := deployment.part("litellm_params"), deployment.part("model_info")
	row := i.rowOf(params, info, table)
	model, spec, err := i.deployed(name, params, row)
	if err != nil {
		i.note(deployment.where, "it is left out: %v", err)
		return
	}
	read, leftOut, err := priceimport.LiteLLMModel(name, row)
	if err != nil {
		i.note(deployment.where, "it is left out: %v", err)
		return
	}
	if model != name {
		read.UpstreamName = model
	}
	to := i.providerOf(params, spec)
	if err := priceimport.Acceptable(*to, read); err != nil {
		i.note(deployment.where, "it is left out: %v", err)
		return
	}
	for _, part := range leftOut {
		i.note(deployment.where, "left out: %s", part)
	}
	i.models[name] = true
	to.Spec.Models = append(to.Spec.Models, read)
	if len(to.Spec.Models) == 1 {
		i.providers = append(i.providers, to)
	}
	for _, group := range info.list("access_groups") {
		i.accessGroups[group] = append(i.accessGroups[group], name)
	}
	i.noteRest(deployment, params, info)
}

// noteRest notes what of a deployment is not carried over to its model.
func (i *importer) noteRest(deployment, params, info record) {
	for _, of := range []record{params, info} {
		for _, limit := range []string{"rpm", "tpm", "max_parallel_requests"} {
			if of.whole(limit) > 0 {
				i.note(deployment.where, "%s is not carried over: rate limits are of tenants, users, groups and keys", limit)
			}
		}
		for _, member := range of.unread(notOfCalls...) {
			if !priceimport.IsLiteLLMPrice(member) && !strings.HasPrefix(member, "supports_") {
				i.note(deployment.where, "%s is not carried over", strings.TrimPrefix(of.where, deployment.where+".")+"."+member)
			}
		}
	}
	i.noteUnread(deployment)
}

// rowOf is what is known about a deployment's model: its row in the table, overridden by what the
// configuration says.
func (i *importer) rowOf(params, info record, table map[string]json.RawMessage) map[string]json.RawMessage {
	row := map[string]json.RawMessage{"mode": json.RawMessage(`"chat"`)}
	full := params.text("model")
	_, short, _ := strings.Cut(full, "/")
	for _, key := range []string{info.text("base_model"), params.text("base_model"), full, short} {
		var found map[string]json.RawMessage
		if key != "" && json.Unmarshal(table[key], &found) == nil && found != nil {
			maps.Copy(row, found)
			break
		}
	}
	for _, of := range []record{params, info} {
		for _, member := range of.names() {
			known := member == "mode" || member == "max_input_tokens" || member == "max_output_tokens" || priceimport.IsLiteLLMPrice(member)
			if known && string(of.members[member]) != "null" {
				row[member] = of.raw(member)
			}
		}
	}
	return row
}

// deployed is the provider's name of a deployment's model, and how the provider is called.
func (i *importer) deployed(name string, params record, row map[string]json.RawMessage) (model string, spec v1alpha1.ModelProviderSpec, err error) {
	if !limiterv1.IsModelName(name) {
		return "", spec, fmt.Errorf("%q is not the name of one model: to admit models that are not listed, set unlistedModels of a ModelProvider", name)
	}
	if i.models[name] {
		return "", spec, fmt.Errorf("another deployment has the name already: calls are not spread over several")
	}
	called, model, err := providerName(params, row)
	if err != nil {
		return "", spec, err
	}
	known, found := providers[called]
	if !found {
		return "", spec, fmt.Errorf("the provider %q has no protocol that Bursar speaks", called)
	}
	base, variable := i.environment(cmp.Or(params.text("api_base"), params.text("base_url")))
	switch {
	case base == "" && variable != "":
		return "", spec, fmt.Errorf("its api_base is in the environment variable %s: set it here, too", variable)
	case base == "" && known.endpoint == "":
		return "", spec, fmt.Errorf("it has no api_base")
	}
	_ = params.raw("api_version") // callers of Azure send it themselves
	spec.Protocol, spec.Endpoint = known.protocol, known.endpoint
	if base != "" {
		spec.Endpoint = endpoint(base, known.version)
	}
	spec.CredentialFile = credentialFile(params, called, known)
	return model, spec, nil
}

// endpoint appends the version that LiteLLM adds to a base URL.
func endpoint(base, version string) string {
	base = strings.TrimRight(base, "/")
	if version == "" || strings.HasSuffix(base, version) {
		return base
	}
	return base + version
}

// providerName is LiteLLM's name of the provider of a deployment, and the provider's name of its
// model.
func providerName(params record, row map[string]json.RawMessage) (called, model string, err error) {
	model = params.text("model")
	if named := params.text("custom_llm_provider"); named != "" {
		return named, strings.TrimPrefix(model, named+"/"), nil
	}
	if before, after, found := strings.Cut(model, "/"); found {
		return before, after, nil
	}
	var listed string
	_ = json.Unmarshal(row["litellm_provider"], &listed) // if the table has it
	switch {
	case model == "":
		return "", "", fmt.Errorf("it has no litellm_params.model")
	case listed != "":
		return listed, model, nil
	case strings.HasPrefix(model, "claude-"):
		return "anthropic", model, nil
	case strings.HasPrefix(model, "gpt-"), strings.HasPrefix(model, "o1"), strings.HasPrefix(model, "o3"), strings.HasPrefix(model, "o4"), strings.HasPrefix(model, "text-embedding-"):
		return "openai", model, nil
	}
	return "", "", fmt.Errorf("%q does not say its provider: write PROVIDER/%s", model, model)
}

// credentialFile is the file with the key of a deployment. A key in the configuration itself is
// not read.
func credentialFile(params record, called string, known provider) string {
	if name := params.text("litellm_credential_name"); name != "" {
		return slug(name)
	}
	key := params.text("api_key")
	if variable, found := strings.CutPrefix(key, "os.environ/"); found {
		return slug(variable)
	}
	if key == "" && known.keyless {
		return ""
	}
	return slug(called)
}

// providerOf is the ModelProvider of an endpoint and key. A new one is in the list only once it
// has models.
func (i *importer) providerOf(params record, spec v1alpha1.ModelProviderSpec) *v1alpha1.ModelProvider {
	names := taken{}
	for _, there := range i.providers {
		if there.Spec.Protocol == spec.Protocol && there.Spec.Endpoint == spec.Endpoint && there.Spec.CredentialFile == spec.CredentialFile {
			return there
		}
		names[there.Name] = true
	}
	called, _, _ := providerName(params, nil)
	return &v1alpha1.ModelProvider{ObjectMeta: metav1.ObjectMeta{Name: names.unique(cmp.Or(slug(called), "provider"))}, Spec: spec}
}
