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
type ModelProviderSpec struct {
	// protocol is the wire format that the provider speaks.
	// +kubebuilder:validation:Enum=OpenAI
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
	// in no ModelProvider is refused.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=512
	// +listType=map
	// +listMapKey=name
	// +required
	Models []Model `json:"models"`
}

// Model is one model of a provider.
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
	// +optional
	UpstreamName string `json:"upstreamName,omitempty"`
	// maxOutputTokens is the most output a call may ask for, and the bound that is
	// written into a call that names none.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000000
	// +required
	MaxOutputTokens int64 `json:"maxOutputTokens"`
	// prices are what the model's tokens cost.
	// +required
	Prices Prices `json:"prices"`
}

// Prices are US dollars per million tokens.
//
// +kubebuilder:validation:XValidation:rule="!has(self.cachedInput) || double(self.cachedInput) <= double(self.input)",message="cachedInput must not be dearer than input"
type Prices struct {
	// input is the price of a million input tokens.
	// +required
	Input Amount `json:"input"`
	// cachedInput is the price of a million input tokens that the provider reads
	// from its cache. It defaults to input.
	// +optional
	CachedInput *Amount `json:"cachedInput,omitempty"`
	// output is the price of a million output tokens, reasoning included.
	// +required
	Output Amount `json:"output"`
}

// ModelProviderStatus is the observed state of a ModelProvider.
type ModelProviderStatus struct {
	ProgrammedStatus `json:",inline"`
}
