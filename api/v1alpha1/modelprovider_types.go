package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ModelProvider describes a provider of paid models, and the prices of its models.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=mp,categories=bursar
// +kubebuilder:printcolumn:name="Protocol",type=string,JSONPath=`.spec.protocol`
// +kubebuilder:printcolumn:name="Endpoint",type=string,JSONPath=`.spec.endpoint`
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].status`
// +kubebuilder:printcolumn:name="Reachable",type=string,JSONPath=`.status.conditions[?(@.type=="Reachable")].status`
// +kubebuilder:printcolumn:name="Key",type=string,JSONPath=`.status.conditions[?(@.type=="CredentialValid")].reason`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ModelProvider struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired state: the provider, its models and their prices.
	// +required
	Spec ModelProviderSpec `json:"spec"`
	// status is the last observed state.
	// +kubebuilder:default={conditions: {{type: "Reconciling", status: "True", reason: "Pending", message: "waiting for the controller", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	// +optional
	Status ModelProviderStatus `json:"status,omitempty"`
}

// GetProgrammedStatus returns the part of the status that all kinds share.
func (p *ModelProvider) GetProgrammedStatus() *ProgrammedStatus { return &p.Status.ProgrammedStatus }

// ModelProviderList is a list of ModelProviders.
//
// +kubebuilder:object:root=true
type ModelProviderList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ModelProvider `json:"items"`
}

// ModelProviderSpec is a provider and its models.
//
// +kubebuilder:validation:XValidation:rule="!has(self.unlistedModels) || self.models.exists(model, has(model.prices.output))",message="requires a model with prices.output in spec.models: unlisted models are priced by the listed ones",fieldPath=".unlistedModels"
// +kubebuilder:validation:XValidation:rule="!has(self.protocol) || self.protocol in ['OpenAI', 'AzureOpenAI', 'VercelAIGateway'] || self.models.all(model, !has(model.tokenizer))",message="tokenizer is for models of the protocols OpenAI, AzureOpenAI and VercelAIGateway: leave it out",fieldPath=".models"
type ModelProviderSpec struct {
	// protocol is the API that the provider speaks. OpenAI: Chat Completions, Responses and Embeddings of OpenAI and of compatible providers. AzureOpenAI: OpenAI as Azure serves it. Anthropic: the API of Anthropic. Gemini: the API of Gemini. VercelAIGateway: the API that Vercel's AI SDK speaks to its AI Gateway (`gateway()`, and models named only by a string); its endpoint is https://ai-gateway.vercel.sh, without a version. Default: OpenAI.
	// +kubebuilder:validation:Enum=OpenAI;Anthropic;Gemini;AzureOpenAI;VercelAIGateway
	// +kubebuilder:default=OpenAI
	// +optional
	Protocol string `json:"protocol,omitempty"`
	// endpoint is the base URL of the provider's API, up to and including the version, such as "https://api.openai.com/v1".
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[^/?#@\\\\s\\\\p{Cc}]+[^?#@\\\\s\\\\p{Cc}]*$') && isURL(self)",message="must be an http or https URL without user, query and fragment, such as \"https://api.openai.com/v1\""
	// +required
	Endpoint string `json:"endpoint"`
	// credentialFile is the name of the file that contains the provider's API key, in the directory that the enforcers mount (--provider-credentials-dir). Unset: the provider needs no key. The key itself is never in a resource.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_-][A-Za-z0-9._-]*$')",message="must be the name of a file, without a directory"
	// +optional
	CredentialFile string `json:"credentialFile,omitempty"`
	// models are the models that may be called, with their prices. A model that no ModelProvider lists is refused, except as unlistedModels allows.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=512
	// +listType=map
	// +listMapKey=name
	// +required
	Models []Model `json:"models"`
	// unlistedModels makes the provider accept calls for models that no ModelProvider lists, from tenants whose budget has unknownModel: PriceAsMostExpensive. Unset: it accepts none.
	//
	// Such a call is held and settled, for each kind of token, at the highest price in force of any model in models, across longContext and serviceTiers. This is an estimate; the provider may bill more. List the provider's most expensive models. Extras selected by a model-name suffix, such as search, are not priced. Callers can reach every model that the provider's API key can.
	//
	// Only one ModelProvider per protocol may set this. A newer one that also sets it is not accepted (Conflicted).
	// +optional
	UnlistedModels *UnlistedModels `json:"unlistedModels,omitempty"`
	// passFields are request fields that are passed on although Bursar cannot bound what they cost. By default, a request is refused if it has a field that Bursar does not know, or knows to cost more than tokens. The refusal names the field as it is written here.
	//
	// A field is written as its path in the request's JSON, with "[]" after an array: "chat_template_kwargs", "messages[].content[].cache_control". To pass only one value of a field, write the value after "=": "tools[].type=code_execution_20250825", "context_management.edits[].type=compact_20260112". Values of a header field are written in the same way: "anthropic-beta=context-1m-2025-08-07". A lone "*" passes every field.
	//
	// No money is reserved for what such a field costs beyond tokens, and the provider's bill for it is not counted. Use "*" only if the provider bills only tokens, at the prices in models, as your own vLLM or Ollama does.
	//
	// Unset: only the fields that Bursar knows are passed on.
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="!('*' in self) || self.size() == 1",message="\"*\" passes every field: remove the others, or \"*\""
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^([*]|[A-Za-z0-9_$@-]+(\\\\[\\\\])*([.][A-Za-z0-9_$@-]+(\\\\[\\\\])*)*(=[!-~]+)?)$')",message="must be the path of a field, such as \"plugins\", \"messages[].content[].cache_control\" or \"tools[].type=web_search\", or \"*\""
	// +listType=set
	// +optional
	PassFields []string `json:"passFields,omitempty"`
	// neutralUsage are members of the usage in the provider's answers that cost nothing beyond what the tokens cost. By default, a usage that has a number that Bursar does not know, such as a count of searches or a fee, is not trusted: the call is charged what was held for it, and the enforcer's log names the member.
	//
	// A member is written as its path in the usage, and stands for everything in it: "num_search_queries", "plugins.search". A lone "*" stands for every member: use it only if the provider bills only tokens, at the prices in models.
	//
	// Unset: only those that Bursar itself knows to be neutral.
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="!('*' in self) || self.size() == 1",message="\"*\" stands for every member: remove the others, or \"*\""
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^([*]|[A-Za-z0-9_$@-]+([.][A-Za-z0-9_$@-]+)*)$')",message="must be the path of a member of the usage, such as \"num_search_queries\" or \"plugins.search\", or \"*\""
	// +listType=set
	// +optional
	NeutralUsage []string `json:"neutralUsage,omitempty"`
	// costReported makes a call cost the total that the usage in the provider's answer reports: cost (OpenRouter, Vercel AI Gateway), cost.total_cost (Perplexity), cost_in_usd_ticks (xAI) or estimated_cost (DeepInfra), in US dollars. The prices in models then only bound what a call can cost: list those of the most expensive route that the provider may take. A call is charged what was held for it if its usage reports no cost, or reports a cost of zero although its tokens have a price.
	//
	// Unset: a call costs what the prices in models say. If the provider reports a higher cost, the call is charged what was held for it.
	// +optional
	CostReported bool `json:"costReported,omitempty"`
	// onClientGone says what happens to a streamed answer whose client has disconnected. Stop: the connection to the provider is closed, so that the model stops, and the call is charged the most that it can have cost by the part of its answer that was seen. Drain: the answer is read to its end, for at most the enforcer's --drain-timeout, and the call costs what the provider reports. Set Drain for a provider that bills an answer in full even if nobody reads it, or if the provider's own figure matters more than what a stop saves. Default: Stop.
	//
	// It does not apply to answers that are not streamed, or to calls with an Idempotency-Key. Those are drained.
	// +kubebuilder:validation:Enum=Stop;Drain
	// +optional
	OnClientGone string `json:"onClientGone,omitempty"`
	// checkInterval is how long an enforcer waits without an answered call before it sends the provider a request that costs nothing, such as one for its list of models, and how often it does so from then on: whole seconds between "1m" and "24h", such as "10m". A wrong key or host then shows in the conditions CredentialValid and Reachable before the first call. Unset: enforcers send the provider nothing except calls.
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+(s|m|h))+$') && duration(self) >= duration('1m') && duration(self) <= duration('24h')",message="must be a duration of whole seconds between 1m and 24h, such as \"10m\""
	// +optional
	CheckInterval string `json:"checkInterval,omitempty"`
}

// UnlistedModels bounds calls for models that no ModelProvider lists.
type UnlistedModels struct {
	// maxOutputTokens is the maximum number of output tokens that a call may ask for. It is set on calls that specify none.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000000
	// +required
	MaxOutputTokens int64 `json:"maxOutputTokens"`
	// contextWindow is the maximum number of input tokens of any such model. Unset: only the size of the request bounds the input. Files and recordings are then refused, as are images with the protocols OpenAI and AzureOpenAI, because the size does not bound them.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	// +optional
	ContextWindow int64 `json:"contextWindow,omitempty"`
}

// Model is one model of a provider.
//
// +kubebuilder:validation:XValidation:rule="has(self.maxOutputTokens) == has(self.prices.output)",message="must be set together with prices.output: a model without output, such as one for embeddings, has neither",fieldPath=".maxOutputTokens"
// +kubebuilder:validation:XValidation:rule="!has(self.priceChanges) || self.priceChanges.all(change, has(change.prices.output) == has(self.prices.output))",message="must set prices.output if the model's own prices set it, and only then",fieldPath=".priceChanges"
type Model struct {
	// name is the name that callers ask for. Only one ModelProvider in the cluster may list it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9@~][A-Za-z0-9._:/@~-]*$')",message="must be a model name such as \"gpt-4o-mini\": letters, digits and . _ : / @ ~ -"
	// +required
	Name string `json:"name"`
	// upstreamName is the provider's name for the model. Default: name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^\\\\s\\\\p{C}\\\\p{Z}]+$')",message="must be the provider's name of the model, without blanks and control characters"
	// +optional
	UpstreamName string `json:"upstreamName,omitempty"`
	// answeredAs are other names that the provider's answers have for this model. A call is charged at the prices of the model that the answer names. That is this model if the answer has its name or upstreamName, with or without the date or version of a snapshot, "-latest", or a different prefix before a slash. Otherwise, it is another model of this ModelProvider if the answer has the upstreamName of that model. If the answer names any other model, the call is charged what was held for it, and the enforcer's log names the model. A lone "*" stands for every name: use it if the provider has one price for all that it may answer with, as your own vLLM or llama.cpp does.
	//
	// With AzureOpenAI, the deployment decides the model, and answers may name any model. Unset: no other names.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="!('*' in self) || self.size() == 1",message="\"*\" stands for every name: remove the others, or \"*\""
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[^\\\\s\\\\p{C}\\\\p{Z}]+$')",message="must be the provider's name of the model, without blanks and control characters"
	// +listType=set
	// +optional
	AnsweredAs []string `json:"answeredAs,omitempty"`
	// contextWindow is the maximum number of input tokens. It caps the money reserved for a call's input. Unset: the size of the request decides how much is reserved.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	// +optional
	ContextWindow int64 `json:"contextWindow,omitempty"`
	// tokenizer is the tokenizer by which Bursar counts the tokens of message text to reserve money for it. Counting by bytes instead reserves several times more. o200k_base: OpenAI's models from gpt-4o on. cl100k_base: gpt-4, gpt-3.5-turbo and the embedding models. Only for the protocols OpenAI, AzureOpenAI and VercelAIGateway. Set it only if the maker of the model names it: with the wrong tokenizer, a call may cost more than was reserved. Unset: bytes, which is safe for every model.
	// +kubebuilder:validation:Enum=o200k_base;cl100k_base
	// +optional
	Tokenizer string `json:"tokenizer,omitempty"`
	// reasoning says whether answers of the model contain all the reasoning that is billed. Hidden: they do not, so an answer that is cut off is charged for all the output that it could have had, unless the provider has already reported its usage. Shown: they do, or the model does not reason. Unset: Bursar decides by the provider's name for the model (OpenAI's o-series and GPT-5, for example, are Hidden), by what the request asks for, and by the answer.
	// +kubebuilder:validation:Enum=Hidden;Shown
	// +optional
	Reasoning string `json:"reasoning,omitempty"`
	// maxOutputTokens is the maximum number of output tokens that a call may ask for. It is set on calls that specify none. Required with prices.output. Unset for embedding models, which have no output.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000000
	// +optional
	MaxOutputTokens int64 `json:"maxOutputTokens,omitempty"`
	// prices are the prices of the model's tokens until the first of priceChanges takes effect.
	// +required
	Prices Prices `json:"prices"`
	// priceChanges are prices that apply from later times on. A call is charged at the prices in force at its admission, and is never repriced. Empty: the prices do not change.
	// +kubebuilder:validation:MaxItems=4
	// +listType=map
	// +listMapKey=effectiveFrom
	// +optional
	PriceChanges []PriceChange `json:"priceChanges,omitempty"`
}

// Price is US dollars per million tokens: a decimal string, exact to the nano-dollar, at most 9000000 dollars, such as "2.50".
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=17
// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]{1,7}(\\\\.[0-9]{1,9})?$') && double(self) <= 9000000.0",message="must be US dollars per million tokens: a decimal number that is not negative, not above 9000000, and has at most 9 digits after the point, such as \"2.50\""
type Price string

// PriceList is the price of each kind of token. Calls that could use a kind without a price are refused.
//
// +kubebuilder:validation:XValidation:rule="!has(self.cachedInput) || double(self.cachedInput) <= double(self.input)",message="cachedInput must not be more expensive than input"
// +kubebuilder:validation:XValidation:rule="!has(self.cachedAudioInput) || has(self.audioInput) && double(self.cachedAudioInput) <= double(self.audioInput)",message="cachedAudioInput requires audioInput and must not be more expensive"
// +kubebuilder:validation:XValidation:rule="!has(self.cacheWrite1h) || !has(self.cacheWrite5m) || double(self.cacheWrite5m) <= double(self.cacheWrite1h)",message="cacheWrite5m must not be more expensive than cacheWrite1h"
// +kubebuilder:validation:XValidation:rule="has(self.output) || !has(self.audioOutput) && !has(self.imageOutput)",message="audioOutput and imageOutput require output"
type PriceList struct {
	// input is the price in US dollars per million input tokens that no more specific price covers, such as "2.50".
	// +required
	Input Price `json:"input"`
	// cachedInput is the price in US dollars per million input tokens that the provider reads from its cache. Default: input.
	// +optional
	CachedInput Price `json:"cachedInput,omitempty"`
	// cacheWrite5m is the price in US dollars per million input tokens that the provider writes to its cache for five minutes, if it bills them separately. If the provider has one price for all cache writes, it applies however long the tokens are kept. Unset: calls that ask for them are refused, and a call that is reported to have used them is charged what was held for it.
	// +optional
	CacheWrite5m Price `json:"cacheWrite5m,omitempty"`
	// cacheWrite1h is the price in US dollars per million input tokens that the provider writes to its cache for one hour. Unset: calls that could use them are refused.
	// +optional
	CacheWrite1h Price `json:"cacheWrite1h,omitempty"`
	// audioInput is the price in US dollars per million audio input tokens. Unset: calls that could use them are refused.
	// +optional
	AudioInput Price `json:"audioInput,omitempty"`
	// cachedAudioInput is the price in US dollars per million audio input tokens that the provider reads from its cache. Default: audioInput.
	// +optional
	CachedAudioInput Price `json:"cachedAudioInput,omitempty"`
	// output is the price in US dollars per million output tokens that no more specific price covers, including reasoning. Unset for embedding models.
	// +optional
	Output Price `json:"output,omitempty"`
	// audioOutput is the price in US dollars per million audio output tokens. Unset: calls that could use them are refused.
	// +optional
	AudioOutput Price `json:"audioOutput,omitempty"`
	// imageOutput is the price in US dollars per million image output tokens. Unset: calls that could use them are refused.
	// +optional
	ImageOutput Price `json:"imageOutput,omitempty"`
}

// Prices are the prices of a model's tokens at one time.
type Prices struct {
	PriceList `json:",inline"`
	// longContext are the prices of calls with long input. Unset: the length of the input does not change the price.
	// +kubebuilder:validation:MaxItems=2
	// +listType=map
	// +listMapKey=aboveInputTokens
	// +optional
	LongContext []LongContextPrices `json:"longContext,omitempty"`
	// serviceTiers are the prices of service tiers other than the provider's default. Calls that ask for a tier that is not listed are refused. Empty: only the default tier can be called.
	// +kubebuilder:validation:MaxItems=4
	// +listType=map
	// +listMapKey=name
	// +optional
	ServiceTiers []ServiceTierPrices `json:"serviceTiers,omitempty"`
	// multipliers are factors on the cost of a call's tokens, for properties of a call that change the price of all its tokens, in every service tier. The factors of several properties are multiplied with each other. Unset: a call that asks for such a property is refused, and a call whose answer names one is charged in full.
	//
	// Money is reserved at the highest factor that can apply. For a property that the call names, that is the factor of the value that it asks for. For a property that the call does not name, it is the highest factor of all its values.
	// +kubebuilder:validation:MaxItems=8
	// +listType=map
	// +listMapKey=property
	// +listMapKey=value
	// +optional
	Multipliers []PriceMultiplier `json:"multipliers,omitempty"`
	// fees are the prices of what the provider bills per use in addition to tokens, such as searches, in every service tier. Unset: a call that asks for something that has no fee is refused, and a call whose answer counts such uses is charged in full.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	Fees []Fee `json:"fees,omitempty"`
}

// PriceMultiplier is the factor for calls in which a property has a given value.
type PriceMultiplier struct {
	// property is the provider's name of the property: "inference_geo" or "speed" of Anthropic.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$')",message="must be the name of a property such as \"inference_geo\": lower-case letters, digits, hyphens and underscores"
	// +required
	Property string `json:"property"`
	// value is the provider's name of the value, such as "us" or "fast".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$')",message="must be a value such as \"us\": lower-case letters, digits, hyphens and underscores"
	// +required
	Value string `json:"value"`
	// factor multiplies the cost of the call's tokens: a decimal string between 0 and 1000, such as "1.1". Fees are not multiplied.
	// +required
	Factor Factor `json:"factor"`
}

// Factor is a decimal string between 0 and 1000 with at most 9 digits after the point, such as "1.1".
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=14
// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]{1,4}(\\\\.[0-9]{1,9})?$') && double(self) <= 1000.0",message="must be a decimal number that is not negative, not above 1000, and has at most 9 digits after the point, such as \"1.1\""
type Factor string

// Fee is the price of one use of something.
type Fee struct {
	// name is what is used: "web_search" or "web_fetch" of Anthropic, "google_search" of Gemini, or the path of the member of the answer's usage that counts it, such as "num_search_queries". "call" is a fee for every call.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$')",message="must be a name such as \"web_search\": letters, digits, dots, hyphens and underscores"
	// +required
	Name string `json:"name"`
	// amount is the price of one use in US dollars: "0.01" if the provider's list says 10 dollars per 1000 uses, "0" if the provider bills only the tokens.
	// +required
	Amount Amount `json:"amount"`
	// usesPerCall is the maximum number of uses in a call that sets no maximum itself, as when a model decides to search. Money is reserved for that many uses in every call that may have some. If the API accepts a maximum, as OpenAI's Responses does in `max_tool_calls` and Anthropic's tools do in `max_uses`, it is set to this number. Unset: money is reserved only for uses that a call asks for.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	// +optional
	UsesPerCall int64 `json:"usesPerCall,omitempty"`
}

// LongContextPrices are the prices of calls with more input than aboveInputTokens. They apply to the whole call, not only to the tokens beyond the threshold. They must name the same kinds of token as the prices of shorter calls.
type LongContextPrices struct {
	// aboveInputTokens is the threshold. Calls with more input tokens than this, of all kinds together, have these prices.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	// +required
	AboveInputTokens int64 `json:"aboveInputTokens"`
	PriceList        `json:",inline"`
}

// ServiceTierPrices are the prices of calls in one service tier.
type ServiceTierPrices struct {
	// name is the provider's name of the service tier, such as "flex", "priority" or "batch".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$') && !(self in ['default', 'standard', 'auto'])",message="must be the name of a service tier such as \"flex\": lower-case letters, digits, hyphens and underscores; the prices of the default tier belong in prices itself"
	// +required
	Name      string `json:"name"`
	PriceList `json:",inline"`
	// longContext are the prices of calls with long input in this service tier. Unset: the length of the input does not change the price.
	// +kubebuilder:validation:MaxItems=2
	// +listType=map
	// +listMapKey=aboveInputTokens
	// +optional
	LongContext []LongContextPrices `json:"longContext,omitempty"`
}

// PriceChange is a change of a model's prices at a given time.
type PriceChange struct {
	// effectiveFrom is when the prices take effect, such as "2027-01-01T00:00:00Z". Calls that were made before the change was applied keep what they cost.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:MaxLength=64
	// +required
	EffectiveFrom metav1.Time `json:"effectiveFrom"`
	// prices replaces the whole price list: repeat every price that still applies.
	// +required
	Prices Prices `json:"prices"`
}

// ModelProviderStatus is the observed state of a ModelProvider.
type ModelProviderStatus struct {
	ProgrammedStatus `json:",inline"`
}
