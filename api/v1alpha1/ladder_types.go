package v1alpha1

// Action is what happens at a rung of the ladder.
//
// +kubebuilder:validation:Enum=Warn;Downgrade;Trip
type Action string

// The actions of a rung.
const (
	// ActionWarn raises an Event; calls continue.
	ActionWarn Action = "Warn"
	// ActionDowngrade calls a cheaper model instead of the one asked for.
	ActionDowngrade Action = "Downgrade"
	// ActionTrip opens the breaker: no paid call is admitted, except by a fallback, until the period turns or the limit is raised.
	ActionTrip Action = "Trip"
)

// Fallback is what a caller gets instead of a refusal for money.
//
// +kubebuilder:validation:Enum=Cache;CheapestModel;Message
type Fallback string

// The fallbacks of a Trip rung.
const (
	// FallbackCache returns the answer to an earlier call of the tenant with the same request.
	FallbackCache Fallback = "Cache"
	// FallbackCheapestModel calls the cheapest model, from what is left of the limits.
	FallbackCheapestModel Fallback = "CheapestModel"
	// FallbackMessage answers with the rung's message.
	FallbackMessage Fallback = "Message"
)

// Rung is what happens when a given percentage of a limit is spent.
//
// +kubebuilder:validation:XValidation:rule="(self.action == 'Downgrade') == (has(self.models) && self.models.size() > 0)",message="must set models with action Downgrade, and only then"
// +kubebuilder:validation:XValidation:rule="self.action == 'Trip' || !has(self.fallback) || self.fallback.size() == 0",message="must set fallback only with action Trip"
// +kubebuilder:validation:XValidation:rule="has(self.message) == (has(self.fallback) && 'Message' in self.fallback)",message="must set message with Message in fallback, and only then"
// +kubebuilder:validation:XValidation:rule="!has(self.cache) || (has(self.fallback) && 'Cache' in self.fallback)",message="must set cache only with Cache in fallback"
// +kubebuilder:validation:XValidation:rule="!has(self.cheapestModel) || (has(self.fallback) && 'CheapestModel' in self.fallback)",message="must set cheapestModel only with CheapestModel in fallback"
// +kubebuilder:validation:XValidation:rule="!has(self.fallback) || !('Message' in self.fallback) || self.fallback[self.fallback.size() - 1] == 'Message'",message="must list Message last in fallback: nothing after it would be tried"
type Rung struct {
	// atPercent is the percentage of the limit's amount, from 1 to 100. The rung is reached when that much is spent.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +required
	AtPercent int32 `json:"atPercent"`
	// action is what happens at the rung. Warn: an Event is raised, alerts are sent, and calls continue. Downgrade: calls go to the cheaper models listed in models. Trip: paid calls are refused until the period turns or the limit is raised, except as fallback allows.
	// +required
	Action Action `json:"action"`
	// models lists which model is called instead of which. Required with action Downgrade; not allowed otherwise. If a parent also replaces the model, the parent's replacement is called.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=from
	// +optional
	Models []Replacement `json:"models,omitempty"`
	// fallback lists what to try, in order, instead of refusing a call. Only with action Trip. It applies when a limit of the tenant, the user or a parent is tripped or has too little left, or when the breaker is forced open. It never applies to rate limits. Empty, or if none has an answer: the call is refused.
	//
	// Cache returns the answer to an earlier call of the tenant whose request was the same, byte for byte. One user may get the answer that was given to another user: list Cache only where users may see each other's answers. Answers are kept only from the time that Cache is listed, only in the memory of each enforcer, and only for the same tenant.
	//
	// CheapestModel calls the model of the same protocol that can do what the call asks for and has the lowest prices for what the call may use. It calls that model only if it costs nothing or fits into what is left of the limits. It ignores the tenant's own Trip rung, but not the amounts of limits. It passes a parent's Trip rung only if that rung also has CheapestModel for this model, and a parent's Downgrade rung only with a model that the rung does not replace. While the breaker is forced open, only models that cost nothing are called.
	//
	// Message answers with message, as a model would. Calls that demand a schema or a tool call are refused instead, because they could not read the message. It must be last.
	// +kubebuilder:validation:MaxItems=3
	// +listType=set
	// +optional
	Fallback []Fallback `json:"fallback,omitempty"`
	// message is the text that the Message fallback returns to callers. Required with Message in fallback; not allowed otherwise.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^([\\\\n\\\\t]|[^\\\\p{Cc}])*$')",message="must not contain control characters other than newlines and tabs"
	// +optional
	Message string `json:"message,omitempty"`
	// cache configures the Cache fallback. Unset: answers up to 1h old are returned.
	// +optional
	Cache *CacheFallback `json:"cache,omitempty"`
	// cheapestModel configures the CheapestModel fallback. Unset: it chooses among all models.
	// +optional
	CheapestModel *CheapestModelFallback `json:"cheapestModel,omitempty"`
}

// CacheFallback configures the Cache fallback.
type CacheFallback struct {
	// maxAge is the maximum age of an answer, in whole seconds from 1s to 24h, such as "30m". Default: 1h.
	// +kubebuilder:default="1h"
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+(s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="must be a duration of whole seconds between 1s and 24h, such as \"1h\""
	// +optional
	MaxAge string `json:"maxAge,omitempty"`
}

// CheapestModelFallback configures the CheapestModel fallback.
type CheapestModelFallback struct {
	// models are the models to choose from, by their names in ModelProviders. Empty: all models. If some models cannot do what the tenant's programs need, list those that can.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Models []ModelName `json:"models,omitempty"`
}

// Replacement says which model is called instead of another.
//
// +kubebuilder:validation:XValidation:rule="self.from != self.to",message="must replace a model by another: from and to are the same"
type Replacement struct {
	// from is the model that the call asks for.
	// +required
	From ModelName `json:"from"`
	// to is the model that is called instead.
	// +required
	To ModelName `json:"to"`
}
