package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ModelProvider is where paid models are to be had, and what they cost.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=mp,categories=bursar
// +kubebuilder:printcolumn:name="Protocol",type=string,JSONPath=`.spec.protocol`
// +kubebuilder:printcolumn:name="Endpoint",type=string,JSONPath=`.spec.endpoint`
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].status`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ModelProvider struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the provider.
	// +required
	Spec ModelProviderSpec `json:"spec"`
	// status is what is so.
	// +kubebuilder:default={conditions: {{type: "Reconciling", status: "True", reason: "Pending", message: "nobody has looked at it yet", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	// +optional
	Status ModelProviderStatus `json:"status,omitempty"`
}

// Programming is the part of the status that every kind has.
func (p *ModelProvider) Programming() *ProgrammedStatus { return &p.Status.ProgrammedStatus }

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
// +kubebuilder:validation:XValidation:rule="!has(self.unlistedModels) || self.models.exists(model, has(model.prices.output))",message="needs a model with prices.output in models: those that are not listed are priced as these are",fieldPath=".unlistedModels"
// +kubebuilder:validation:XValidation:rule="!has(self.protocol) || self.protocol in ['OpenAI', 'AzureOpenAI'] || self.models.all(model, !has(model.tokenizer))",message="tokenizer is for models of the protocols OpenAI and AzureOpenAI: leave it out",fieldPath=".models"
type ModelProviderSpec struct {
	// protocol is the wire format that the provider speaks: OpenAI, which is Chat
	// Completions, Responses and Embeddings of OpenAI and of every endpoint that is
	// compatible with it; Anthropic; Gemini; or AzureOpenAI, which is OpenAI as Azure
	// has it.
	// +kubebuilder:validation:Enum=OpenAI;Anthropic;Gemini;AzureOpenAI
	// +kubebuilder:default=OpenAI
	// +optional
	Protocol string `json:"protocol,omitempty"`
	// endpoint is the base URL of the provider's API, up to and including the
	// version, such as "https://api.openai.com/v1".
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[^/?#@\\\\s]+[^?#@\\\\s]*$') && isURL(self)",message="must be an http or https URL without user, query and fragment, such as \"https://api.openai.com/v1\""
	// +required
	Endpoint string `json:"endpoint"`
	// credentialFile is the name of the file that holds the provider's API key, in
	// the directory that the enforcers mount (their --provider-credentials-dir).
	// Absent when the provider wants none. The key itself never stands in the API.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_-][A-Za-z0-9._-]*$')",message="must be the name of a file, without a directory"
	// +optional
	CredentialFile string `json:"credentialFile,omitempty"`
	// models are the models that may be called, with their prices. A model that is
	// in no ModelProvider is refused, but as unlistedModels says.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=512
	// +listType=map
	// +listMapKey=name
	// +required
	Models []Model `json:"models"`
	// unlistedModels has the provider take models that no ModelProvider lists, from
	// tenants whose budget says unknownModel: PriceAsMostExpensive; absent, it takes
	// none. Such a call is held and settled at the dearest price that any of models has
	// for a kind of token, over longContext and serviceTiers, at the prices in force.
	// That is a guess, and what the provider bills may be another, and more: list the
	// dearest models that it has, and what it bills apart by the name that is asked for
	// (such as a search, by a suffix) does not count. Callers reach every model that the
	// provider's API key does. Of the ModelProviders of a protocol one may have this: a
	// younger one that has it, too, is Conflicted, as with a model of another's.
	// +optional
	UnlistedModels *UnlistedModels `json:"unlistedModels,omitempty"`
}

// UnlistedModels is what bounds a call of any model that no ModelProvider lists.
type UnlistedModels struct {
	// maxOutputTokens is the most output a call may ask for, and the bound that is
	// written into a call that names none.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000000
	// +required
	MaxOutputTokens int64 `json:"maxOutputTokens"`
	// contextWindow is the most input tokens that any such model takes. Absent means
	// that only the length of a call's body bounds its input, and that files, recordings
	// and, of the protocols OpenAI and AzureOpenAI, images are refused, which that does
	// not bound.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	// +optional
	ContextWindow int64 `json:"contextWindow,omitempty"`
}

// Model is one model of a provider.
//
// +kubebuilder:validation:XValidation:rule="has(self.maxOutputTokens) == has(self.prices.output)",message="must stand together with prices.output: a model without output, for embeddings alone, has neither",fieldPath=".maxOutputTokens"
// +kubebuilder:validation:XValidation:rule="!has(self.priceChanges) || self.priceChanges.all(change, has(change.prices.output) == has(self.prices.output))",message="must have a price for output where prices has one, and nowhere else",fieldPath=".priceChanges"
type Model struct {
	// name is what callers ask for. It belongs to one ModelProvider of the cluster.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9][A-Za-z0-9._:/@-]*$')",message="must be a model name such as \"gpt-4o-mini\": letters, digits and . _ : / @ -"
	// +required
	Name string `json:"name"`
	// upstreamName is what the provider calls the model. It defaults to name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^\\\\s\\\\p{C}\\\\p{Z}]+$')",message="must be what the provider calls the model, without blanks and control characters"
	// +optional
	UpstreamName string `json:"upstreamName,omitempty"`
	// contextWindow is the most input tokens that the model takes. No call is held
	// more money for its input than for so many. Absent means that only the length
	// of a call's body bounds its input.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	// +optional
	ContextWindow int64 `json:"contextWindow,omitempty"`
	// tokenizer makes tokens of what the model reads: o200k_base, which is that of
	// OpenAI's models from gpt-4o on, or cl100k_base, which is that of gpt-4,
	// gpt-3.5-turbo and the models for embeddings. The texts of a call's messages are
	// then held for by their tokens. Absent means that they are held for by their
	// bytes, which is right for every model, and several times as much. Name it only
	// where the maker of the model does: a wrong one can hold less than a call costs.
	// +kubebuilder:validation:Enum=o200k_base;cl100k_base
	// +optional
	Tokenizer string `json:"tokenizer,omitempty"`
	// maxOutputTokens is the most output a call may ask for, and the bound that is
	// written into a call that names none. A model without output, which is for
	// embeddings alone, has none, and no prices.output.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000000
	// +optional
	MaxOutputTokens int64 `json:"maxOutputTokens,omitempty"`
	// prices are what the model's tokens cost, until the first of priceChanges.
	// +required
	Prices Prices `json:"prices"`
	// priceChanges are what they cost from later moments on. A call costs what was
	// in force when it was admitted; no call is priced anew.
	// +kubebuilder:validation:MaxItems=4
	// +listType=map
	// +listMapKey=effectiveFrom
	// +optional
	PriceChanges []PriceChange `json:"priceChanges,omitempty"`
}

// Price is US dollars per million tokens: a decimal string, exact to the
// nano-dollar, of at most 9000000 dollars.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=17
// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]{1,7}(\\\\.[0-9]{1,9})?$') && double(self) <= 9000000.0",message="must be US dollars per million tokens: a decimal number that is not negative, not above 9000000, and has at most 9 digits after the point, such as \"2.50\""
type Price string

// PriceList has the price of each kind of token. A kind without a price is not to
// be had: calls that could use it are refused.
//
// +kubebuilder:validation:XValidation:rule="!has(self.cachedInput) || double(self.cachedInput) <= double(self.input)",message="cachedInput must not be dearer than input"
// +kubebuilder:validation:XValidation:rule="!has(self.cachedAudioInput) || has(self.audioInput) && double(self.cachedAudioInput) <= double(self.audioInput)",message="cachedAudioInput must not be dearer than audioInput, nor stand without it"
// +kubebuilder:validation:XValidation:rule="!has(self.cacheWrite1h) || !has(self.cacheWrite5m) || double(self.cacheWrite5m) <= double(self.cacheWrite1h)",message="cacheWrite5m must not be dearer than cacheWrite1h"
// +kubebuilder:validation:XValidation:rule="has(self.output) || !has(self.audioOutput) && !has(self.imageOutput)",message="audioOutput and imageOutput must not stand without output"
type PriceList struct {
	// input is the price of input tokens that no other price is for.
	// +required
	Input Price `json:"input"`
	// cachedInput is the price of input tokens that the provider reads from its
	// cache. It defaults to input.
	// +optional
	CachedInput Price `json:"cachedInput,omitempty"`
	// cacheWrite5m is the price of input tokens that the provider writes to its cache
	// for five minutes, where it bills that apart.
	// +optional
	CacheWrite5m Price `json:"cacheWrite5m,omitempty"`
	// cacheWrite1h is the price of input tokens that the provider writes to its cache
	// for an hour.
	// +optional
	CacheWrite1h Price `json:"cacheWrite1h,omitempty"`
	// audioInput is the price of input tokens that are sound.
	// +optional
	AudioInput Price `json:"audioInput,omitempty"`
	// cachedAudioInput is the price of sound that the provider reads from its cache.
	// It defaults to audioInput.
	// +optional
	CachedAudioInput Price `json:"cachedAudioInput,omitempty"`
	// output is the price of output tokens that no other price is for, reasoning
	// included. A model for embeddings has none.
	// +optional
	Output Price `json:"output,omitempty"`
	// audioOutput is the price of output tokens that are sound.
	// +optional
	AudioOutput Price `json:"audioOutput,omitempty"`
	// imageOutput is the price of output tokens that are pictures.
	// +optional
	ImageOutput Price `json:"imageOutput,omitempty"`
}

// Prices are what a model's tokens cost at one time.
type Prices struct {
	PriceList `json:",inline"`
	// longContext are the prices of calls with long input.
	// +kubebuilder:validation:MaxItems=2
	// +listType=map
	// +listMapKey=aboveInputTokens
	// +optional
	LongContext []LongContextPrices `json:"longContext,omitempty"`
	// serviceTiers are the prices of calls in other service tiers than the
	// provider's default. A tier that is not listed is refused.
	// +kubebuilder:validation:MaxItems=4
	// +listType=map
	// +listMapKey=name
	// +optional
	ServiceTiers []ServiceTierPrices `json:"serviceTiers,omitempty"`
}

// LongContextPrices are the prices of calls with more input than a number of
// tokens. They are those of the whole call, not only of what is beyond the number,
// and name the same kinds of token as the prices of shorter calls.
type LongContextPrices struct {
	// aboveInputTokens is the number of input tokens, of all kinds together, that a
	// call may have without being long.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	// +required
	AboveInputTokens int64 `json:"aboveInputTokens"`
	PriceList        `json:",inline"`
}

// ServiceTierPrices are the prices of calls in a service tier.
type ServiceTierPrices struct {
	// name is what the provider calls the service tier, such as "flex", "priority"
	// or "batch".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$') && !(self in ['default', 'standard', 'auto'])",message="must be the name of a service tier such as \"flex\", in lower-case letters, digits, hyphens and underscores; the prices of the default tier stand in prices itself"
	// +required
	Name      string `json:"name"`
	PriceList `json:",inline"`
	// longContext are the prices of calls with long input in this service tier.
	// +kubebuilder:validation:MaxItems=2
	// +listType=map
	// +listMapKey=aboveInputTokens
	// +optional
	LongContext []LongContextPrices `json:"longContext,omitempty"`
}

// PriceChange is what a model's tokens cost from a moment on.
type PriceChange struct {
	// effectiveFrom is when the prices come into force.
	// +required
	EffectiveFrom metav1.Time `json:"effectiveFrom"`
	// prices are what the model's tokens cost from then on. What is not named here
	// is not taken from the prices before.
	// +required
	Prices Prices `json:"prices"`
}

// ModelProviderStatus is the observed state of a ModelProvider.
type ModelProviderStatus struct {
	ProgrammedStatus `json:",inline"`
}
