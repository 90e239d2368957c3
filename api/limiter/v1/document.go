package limiterv1

import (
	"slices"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/price"
)

// DocumentKind says of which of the types below a document's body is.
type DocumentKind string

// The kinds of document.
const (
	TenantDocument     DocumentKind = "tenant"
	ProviderDocument   DocumentKind = "provider"
	CredentialDocument DocumentKind = "credential"
	IdentityDocument   DocumentKind = "identity"
	MembersDocument    DocumentKind = "members"
)

// DocumentID names a compiled document: its kind and, within the kind, the tenant's name,
// the provider's name, the CredentialName of a registered credential, the
// IdentityProvider's name, or the Membership's "namespace/name".
type DocumentID struct {
	Kind DocumentKind
	Name string
}

// String is the field of the document in the documents hash: "tenant/acme".
func (id DocumentID) String() string { return string(id.Kind) + "/" + id.Name }

// Source is one Kubernetes object, at one generation, that went into a document.
type Source struct {
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
	UID        string `json:"uid"`
	Generation int64  `json:"generation"`
}

// Tenant is the compiled configuration of one tenant: its TenantBudget, all
// RateLimitPolicies that apply to it, and what it inherits from its parents.
type Tenant struct {
	// Sources are the objects this was compiled from; the TenantBudget is the first.
	Sources []Source `json:"sources"`
	// Level is the tenant's own part.
	Level
	// Ancestors are the tenant's parent, that one's parent, and so on: what the
	// tenant spends counts against their limits too. At most MaxDepth.
	Ancestors []Level `json:"ancestors,omitempty"`
	// BudgetRefusalStatus is the HTTP status of refusals for money; 0 means 429.
	BudgetRefusalStatus int32 `json:"budgetRefusalStatus,omitempty"`
	// AssumedOutputTokens is the bound that is written into a call without one, if it is less
	// than the model's own; 0 means the model's own.
	AssumedOutputTokens int64 `json:"assumedOutputTokens,omitempty"`
	// FitOutputTokens is the least number of output tokens to which a call is lowered if it has
	// no room as it is; 0 means that it is refused.
	FitOutputTokens int64 `json:"fitOutputTokens,omitempty"`
	// UnknownModel says what happens to calls for a model that no provider lists; empty refuses
	// them.
	UnknownModel UnknownModel `json:"unknownModel,omitempty"`
	// VirtualModels are the models to try, in this order, for each name that callers may ask for
	// in place of a model's.
	VirtualModels map[string][]string `json:"virtualModels,omitempty"`
	// LimitedTiers are the demands of policies that refuse users whose tier they do not limit.
	LimitedTiers []LimitedTiers `json:"limitedTiers,omitempty"`
}

// LimitedTiers are the tiers whose users a policy limits, if it refuses all others.
type LimitedTiers struct {
	// Policy is the policy's name, preceded by its namespace if that is another.
	Policy string   `json:"policy"`
	Tiers  []string `json:"tiers"`
	// Imposed is whether the policy is of another namespace, so that the tenant cannot waive it.
	Imposed bool `json:"imposed,omitempty"`
}

// RefusesTier is the name of a policy that refuses calls of users of the tier, because it does
// not limit them; empty for none.
func (t Tenant) RefusesTier(tier string) (policy string) {
	for _, limited := range t.LimitedTiers {
		if !slices.Contains(limited.Tiers, tier) && (limited.Imposed || !t.Waives()) {
			return limited.Policy
		}
	}
	return ""
}

// ModelsFor are the models to try for a call that asks for a name: those of the virtual model, or
// else the one model.
func (t Tenant) ModelsFor(name string) []string {
	if models := t.VirtualModels[name]; len(models) > 0 {
		return models
	}
	return []string{name}
}

// OutputCap is the most output tokens that a call of the model by the caller may ask for: the
// lowest of the caps of the tenant and its ancestors that select it; 0 means none. A level in
// Shadow caps nothing.
func (t Tenant) OutputCap(by Caller, model string) int64 {
	lowest := t.outputCap(by, model)
	for _, ancestor := range t.Ancestors {
		lowest = lower(lowest, ancestor.outputCap(by, model))
	}
	return lowest
}

func (l Level) outputCap(by Caller, model string) (lowest int64) {
	if l.Waives() {
		return 0
	}
	for _, c := range l.OutputCaps {
		if c.Selects(by, model) {
			lowest = lower(lowest, c.MaxOutputTokens)
		}
	}
	return lowest
}

// lower is the lower of two caps, where 0 means none.
func lower(a, b int64) int64 {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// MaxDepth is how many ancestors a tenant may have.
const MaxDepth = 8

// Root is the name of the tenant at the top of the budget tree, the tenant itself
// when it has no parent. It decides in which shard the whole tree is kept.
func (t Tenant) Root() string {
	if n := len(t.Ancestors); n > 0 {
		return t.Ancestors[n-1].Tenant
	}
	return t.Tenant
}

// Levels are the tenant and its ancestors, nearest first.
func (t Tenant) Levels() []Level { return append([]Level{t.Level}, t.Ancestors...) }

// Level is one tenant of a budget tree with its own limits.
type Level struct {
	// Tenant is the tenant's name.
	Tenant string `json:"tenant"`
	// TimeZone is the IANA zone whose calendar the money limits follow.
	TimeZone string `json:"timeZone"`
	// Money are the money limits in the order in which they refuse. Those of an
	// ancestor are all per tenant.
	Money []MoneyLimit `json:"money"`
	// Rates are the rate limits in the order in which they refuse, after Money.
	// Those of an ancestor are all per tenant.
	Rates []RateLimit `json:"rates"`
	// Ladder are the rungs of every money limit, lowest first.
	Ladder []Rung `json:"ladder"`
	// OutputCaps bound the output of single calls, of those below as well; see
	// Tenant.OutputCap.
	OutputCaps []OutputCap `json:"outputCaps,omitempty"`
	// Forced overrides the breaker; empty leaves it to itself.
	Forced BreakerState `json:"forced,omitempty"`
	// ForcedReason is why, in the owner's words, for callers; empty if the owner has not said.
	ForcedReason string `json:"forcedReason,omitempty"`
	// Contact is the person or place that callers may ask about the level's limits and breaker;
	// empty for none.
	Contact string `json:"contact,omitempty"`
	// Enforcement says whether the level's limits and breaker refuse, or only count. It does not
	// affect other levels. See Waives.
	Enforcement Enforcement `json:"enforcement,omitempty"`
	// StoreLossPercent is how much of the smallest limit an enforcer holds beforehand for
	// calls of a kind, to admit from while the limiter's store is lost; 0 means that
	// nothing is admitted then, here and below. For an ancestor's limits, it also bounds what
	// may be held there altogether once a descendant takes such a share.
	StoreLossPercent int32 `json:"storeLossPercent,omitempty"`
}

// BreakerState is the state of a breaker.
type BreakerState string

// The states of a breaker.
const (
	BreakerClosed BreakerState = "Closed"
	BreakerOpen   BreakerState = "Open"
)

// Enforcement says what a refusal does.
type Enforcement string

// Enforce refuses; Shadow decides, counts and records, and refuses nothing.
const (
	Enforce Enforcement = "Enforce"
	Shadow  Enforcement = "Shadow"
)

// MoneyLimit is an amount of money that may be spent in each period.
type MoneyLimit struct {
	Name   string      `json:"name"`
	Per    Scope       `json:"per"`
	Period period.Kind `json:"period"`
	// Amount is the limit's amount without grants.
	Amount money.Nanos `json:"amount"`
	Selector
	// Grants are added to the amount while they are in force.
	Grants []Grant `json:"grants,omitempty"`
}

// OutputCap is the most output tokens that a call may ask for, for each answer.
type OutputCap struct {
	Selector
	MaxOutputTokens int64 `json:"maxOutputTokens"`
}

// Selector says which calls count against a limit, or are capped.
type Selector struct {
	// Tiers are the tiers of users whose calls count; none means all.
	Tiers []string `json:"tiers,omitempty"`
	// Models are the models, as the provider's price list names them, whose calls count; none
	// means all.
	Models []string `json:"models,omitempty"`
	// Groups are the groups of which a caller must have at least one; none means all callers. A
	// limit per group counts only these.
	Groups []string `json:"groups,omitempty"`
	// Labels are the labels, with their values, that a caller must have; none means all callers.
	Labels map[string]string `json:"labels,omitempty"`
}

// Unit is what a rate limit counts.
type Unit string

// The units of a rate limit.
const (
	Requests Unit = "requests"
	Tokens   Unit = "tokens"
	// InFlight are calls that are admitted and not settled.
	InFlight Unit = "inFlight"
)

// MaxRates is how many rate limits a tenant may have from policies of its TenantBudget's
// namespace, and how many more from policies of all others. Each is checked for every
// call, in Redis, where all calls wait for one another.
const MaxRates = 128

// RateLimit is a token bucket that holds Burst units and refills with Count units in
// each window. For InFlight, it holds Burst units, and a call gives its unit back when
// it ends.
type RateLimit struct {
	// Name is "policy/limit", the names of the RateLimitPolicy and of the limit within it,
	// or "namespace/policy/limit" if the policy is not in the TenantBudget's namespace.
	Name string `json:"name"`
	Per  Scope  `json:"per"`
	Selector
	Unit   Unit     `json:"unit"`
	Count  int64    `json:"count,omitempty"`
	Burst  int64    `json:"burst"`
	Window Duration `json:"window,omitempty"`
	// Imposed says that the limit is of a policy in another namespace, so that the tenant cannot
	// waive it.
	Imposed bool `json:"imposed,omitempty"`
}

// Duration is a time.Duration that is whole milliseconds in JSON.
type Duration int64

// Milliseconds is the length as a number of milliseconds.
func (d Duration) Milliseconds() int64 { return int64(d) }

// Std is the length as a time.Duration.
func (d Duration) Std() time.Duration { return time.Duration(d) * time.Millisecond }

// Action is what happens at a rung.
type Action string

// The actions of a rung.
const (
	// Warn raises an Event and an alert; calls go on.
	Warn Action = "Warn"
	// Downgrade replaces the model of a call with a cheaper one.
	Downgrade Action = "Downgrade"
	// Trip opens the breaker: no further paid call is admitted, except as a fallback.
	Trip Action = "Trip"
)

// Rung is what happens when spent reaches AtPercent of a money limit.
type Rung struct {
	AtPercent int32  `json:"atPercent"`
	Action    Action `json:"action"`
	// Models, for Downgrade, are the models to replace, and their replacements.
	Models map[string]string `json:"models,omitempty"`
	// Fallbacks, for Trip, are tried in this order in the place of calls of the tenant that are
	// refused for money.
	Fallbacks []Fallback `json:"fallbacks,omitempty"`
}

// Fallback is what may be tried in place of a call that is refused for money.
type Fallback struct {
	Kind FallbackKind `json:"kind"`
	// MaxAge, for Cache, is how old an answer may be.
	MaxAge Duration `json:"maxAge,omitempty"`
	// Models, for CheapestModel, are the models to choose from; none means all.
	Models []string `json:"models,omitempty"`
	// Text, for Message, is what callers are answered.
	Text string `json:"text,omitempty"`
}

// FallbackKind is a kind of fallback.
type FallbackKind string

// The kinds of fallback.
const (
	// Cache answers with an earlier answer to the same request.
	Cache FallbackKind = "Cache"
	// CheapestModel calls the cheapest model, which the Trip rung does not refuse.
	CheapestModel FallbackKind = "CheapestModel"
	// Message answers with a text.
	Message FallbackKind = "Message"
)

// FallbackKinds are all kinds of fallback.
func FallbackKinds() []FallbackKind { return []FallbackKind{Cache, CheapestModel, Message} }

// Amount is the spent amount at which the rung is reached under the limit: AtPercent of
// it, rounded up to the nano-USD. See Reached.
func (r Rung) Amount(l MoneyLimit) money.Nanos { return l.Amount.Share(r.AtPercent) }

// Rung is the lowest rung with the action, and whether there is one.
func (l Level) Rung(action Action) (Rung, bool) {
	for _, rung := range l.Ladder {
		if rung.Action == action {
			return rung, true
		}
	}
	return Rung{}, false
}

// TripAt is the lowest spent amount at which the breaker opens on the limit, and
// whether there is one: there is none without a Trip rung, and while the breaker is
// forced.
func (l Level) TripAt(limit MoneyLimit) (money.Nanos, bool) {
	rung, ok := l.Rung(Trip)
	if !ok || l.Forced == BreakerClosed {
		return 0, false
	}
	return rung.Amount(limit), true
}

// Waives reports whether the level's own limits and breaker refuse nothing.
func (l Level) Waives() bool { return l.Enforcement == Shadow }

// WaivesRate is Waives for a rate limit of the level.
func (l Level) WaivesRate(limit RateLimit) bool { return l.Waives() && !limit.Imposed }

// ForcedOpen is the tenant, of this one and its ancestors, whose breaker is forced open
// and refuses all paid calls; empty for none.
func (t Tenant) ForcedOpen() string {
	for _, level := range t.Levels() {
		if level.Forced == BreakerOpen && !level.Waives() {
			return level.Tenant
		}
	}
	return ""
}

// LevelOf is the level of a tenant, of this one and its ancestors; the zero Level if it is
// none of them.
func (t Tenant) LevelOf(tenant string) Level {
	if t.Tenant == tenant {
		return t.Level
	}
	for _, level := range t.Ancestors {
		if level.Tenant == tenant {
			return level
		}
	}
	return Level{}
}

// FallbackTripAt is TripAt of an ancestor's limit for a call of the model that is a
// fallback of a descendant. Such a call passes the Trip rung only if one of the
// ancestor's own fallbacks would make it, and the Downgrade rung only with a model that
// the rung does not replace.
func (l Level) FallbackTripAt(limit MoneyLimit, model string) (money.Nanos, bool) {
	trip, trips := l.TripAt(limit)
	if slices.ContainsFunc(l.Fallbacks(), func(f Fallback) bool { return f.calls(model) }) {
		trips = false
	}
	rung, downgrades := l.Rung(Downgrade)
	if _, replaces := rung.Models[model]; downgrades && replaces {
		if at := rung.Amount(limit); !trips || at < trip {
			return at, true
		}
	}
	return trip, trips
}

// calls reports whether the fallback may call the model.
func (f Fallback) calls(model string) bool {
	return f.Kind == CheapestModel && (len(f.Models) == 0 || slices.Contains(f.Models, model))
}

// Fallbacks are tried in this order in the place of a call of the tenant that is refused for
// money.
func (l Level) Fallbacks() []Fallback {
	rung, _ := l.Rung(Trip)
	return rung.Fallbacks
}

// Protocol is the name of the API that a provider speaks. What it means is the enforcer's
// business; the names are here because ModelProviders have them, too.
type Protocol string

// The protocols.
const (
	// OpenAI is the OpenAI API and everything compatible with it.
	OpenAI Protocol = "OpenAI"
	// Anthropic is the API of Claude.
	Anthropic Protocol = "Anthropic"
	// Gemini is the Gemini API.
	Gemini Protocol = "Gemini"
	// AzureOpenAI is the OpenAI API as Azure has it.
	AzureOpenAI Protocol = "AzureOpenAI"
	// VercelAIGateway is what Vercel's AI SDK speaks to Vercel's AI Gateway.
	VercelAIGateway Protocol = "VercelAIGateway"
)

// Protocols are all protocols, in the order of the enum of spec.protocol.
func Protocols() []Protocol {
	return []Protocol{OpenAI, Anthropic, Gemini, AzureOpenAI, VercelAIGateway}
}

// Provider is a model provider and what its models cost.
type Provider struct {
	Sources  []Source `json:"sources"`
	Name     string   `json:"name"`
	Protocol Protocol `json:"protocol"`
	// Endpoint is the base URL, up to and including the version ("https://api.openai.com/v1").
	Endpoint string `json:"endpoint"`
	// CredentialFile is the name of the file with the provider's API key in the
	// directory that enforcers mount; empty when the provider wants none.
	CredentialFile string  `json:"credentialFile,omitempty"`
	Models         []Model `json:"models"`
	// UnlistedModels bounds calls of models that no provider lists; nil if this provider takes
	// none.
	UnlistedModels *UnlistedModels `json:"unlistedModels,omitempty"`
	// PassFields are fields that callers may use although their cost is not bounded; see Passes.
	PassFields []string `json:"passFields,omitempty"`
	// NeutralUsage are members of the usage in an answer that cost nothing beyond what the tokens
	// do; see Billing.
	NeutralUsage []string `json:"neutralUsage,omitempty"`
	// CostReported is whether a call costs what the provider's answer says.
	CostReported bool `json:"costReported,omitempty"`
	// OnClientGone says what happens to a streamed answer whose client has gone; empty is Stop.
	OnClientGone OnClientGone `json:"onClientGone,omitempty"`
	// CheckSeconds is after how long without an answered call the provider is checked, and how
	// often from then on, in seconds; 0 for never.
	CheckSeconds int64 `json:"checkSeconds,omitempty"`
}

// OnClientGone says what happens to an answer whose client has gone.
type OnClientGone string

// Stop tells the provider to stop at once; Drain reads the answer to its end, to learn from
// the provider what it cost.
const (
	Stop  OnClientGone = "Stop"
	Drain OnClientGone = "Drain"
)

// PassAllFields stands for all fields, among the PassFields of a Provider.
const PassAllFields = "*"

// Passes reports whether a request may have a field whose cost is not bounded. The field
// is its path, with "[]" for every element of an array and, if only one of its values is
// meant, with "=" and that value: "plugins", "tools[].type=web_search". A field without a
// value among the PassFields stands for every value of it.
func (p *Provider) Passes(field string) bool {
	name, _, _ := strings.Cut(field, "=")
	return slices.ContainsFunc(p.PassFields, func(passed string) bool {
		return passed == PassAllFields || passed == field || passed == name
	})
}

// Tokenizer is the name of a vocabulary of tokens, and of how text is cut into them.
type Tokenizer string

// The tokenizers whose vocabularies OpenAI has published, and whose models are current.
const (
	O200kBase  Tokenizer = "o200k_base"
	CL100kBase Tokenizer = "cl100k_base"
)

// Reasoning says whether a model shows the reasoning that is billed.
type Reasoning string

// A model either hides some of its reasoning, or shows all of it, if it reasons at all.
const (
	ReasoningHidden Reasoning = "Hidden"
	ReasoningShown  Reasoning = "Shown"
)

// Model is one model of a provider.
type Model struct {
	// Name is what callers ask for.
	Name string `json:"name"`
	// UpstreamName is what the provider is asked for.
	UpstreamName string `json:"upstreamName"`
	// AnsweredAs are further names that the model has in answers; see IsAnsweredAs.
	AnsweredAs []string `json:"answeredAs,omitempty"`
	// ContextWindow is the most input tokens that the model takes; 0 if that is unknown.
	ContextWindow int64 `json:"contextWindow,omitempty"`
	// Tokenizer splits the model's input into tokens; empty if it is unknown. One that the
	// enforcer does not know counts as unknown.
	Tokenizer Tokenizer `json:"tokenizer,omitempty"`
	// MaxOutputTokens is the bound that is written into a request without one. 0 means a model
	// without output, which is only for embeddings.
	MaxOutputTokens int64 `json:"maxOutputTokens,omitempty"`
	// Reasoning says whether the model shows all the reasoning that is billed; empty means that
	// its name and its answers tell.
	Reasoning Reasoning `json:"reasoning,omitempty"`
	// Prices are what the model's tokens cost until the first of PriceChanges.
	Prices price.Book `json:"prices"`
	// PriceChanges are what they cost from then on, the earliest first.
	PriceChanges []PriceChange `json:"priceChanges,omitempty"`
	// Unlisted is set for a model that no provider lists: its name is what the caller has asked
	// for, and its prices are those of others. Documents have no such model.
	Unlisted bool `json:"-"`
	// Billing is how the model's provider bills; documents do not have it.
	Billing Billing `json:"-"`
}

// PriceChange is what a model's tokens cost from a moment on.
type PriceChange struct {
	EffectiveFrom time.Time  `json:"effectiveFrom"`
	Prices        price.Book `json:"prices"`
}

// At is the model with only the prices that are in force at a moment.
func (m Model) At(now time.Time) Model {
	for _, change := range m.PriceChanges {
		if !now.Before(change.EffectiveFrom) {
			m.Prices = change.Prices
		}
	}
	m.PriceChanges = nil
	return m
}

// BoundInput is the most input tokens of a call that the model takes, if the call itself has at
// most so many.
func (m Model) BoundInput(tokens int64) int64 {
	if m.ContextWindow > 0 {
		return min(tokens, m.ContextWindow)
	}
	return tokens
}

// CredentialName is the name of the document of a credential with a SHA-256, in lower-case
// hexadecimal, that is registered in a namespace. Anybody who knows the hash may register
// it in other namespaces, too.
func CredentialName(namespace, sha256 string) string { return namespace + "/" + sha256 }

// Credential is an API key, known by its SHA-256, and its caller.
type Credential struct {
	Sources []Source `json:"sources"`
	// SHA256 is the hash of the key in lower-case hexadecimal.
	SHA256 string `json:"sha256"`
	// Name is "namespace/name" of the APIKey, for logs and the ledger.
	Name   string `json:"name"`
	Tenant string `json:"tenant"`
	User   string `json:"user"`
	Tier   string `json:"tier"`
	// Models are patterns (Matches) of the models that may be asked for with the key; empty
	// means all.
	Models []string `json:"models,omitempty"`
	// ActFor is the users that the key may call for; nil means only User.
	ActFor *ActFor `json:"actFor,omitempty"`
	// Groups and Labels are the caller's; Groups are sorted.
	Groups []string          `json:"groups,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	// ExpiresAt is when the key stops working; nil means never.
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
}

// Namespace is where the credential is registered.
func (c Credential) Namespace() string {
	namespace, _, _ := strings.Cut(c.Name, "/")
	return namespace
}
