package limiterv1

import (
	"time"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/price"
)

// DocumentKind says which of the document types below a document's body is.
type DocumentKind string

// The kinds of document.
const (
	TenantDocument     DocumentKind = "tenant"
	ProviderDocument   DocumentKind = "provider"
	CredentialDocument DocumentKind = "credential"
)

// DocumentID names a compiled document: its kind and, within the kind, the
// tenant's name, the provider's name, or the SHA-256 of the credential in
// lower-case hexadecimal.
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

// Tenant is the compiled configuration of one tenant: its TenantBudget and all
// RateLimitPolicies that apply to it.
type Tenant struct {
	// Sources are the objects this was compiled from; the TenantBudget is the first.
	Sources []Source `json:"sources"`
	// Tenant is the tenant's name.
	Tenant string `json:"tenant"`
	// TimeZone is the IANA zone whose calendar the money limits follow.
	TimeZone string `json:"timeZone"`
	// Money are the money limits in the order in which they refuse.
	Money []MoneyLimit `json:"money"`
	// Rates are the rate limits in the order in which they refuse, after Money.
	Rates []RateLimit `json:"rates"`
	// Ladder are the rungs of every money limit, lowest first.
	Ladder []Rung `json:"ladder"`
}

// Scope says whether a limit counts a whole tenant together or each user apart.
type Scope string

// The scopes of a limit.
const (
	PerTenant Scope = "Tenant"
	PerUser   Scope = "User"
)

// MoneyLimit is an amount of money that may be spent in each period.
type MoneyLimit struct {
	Name   string      `json:"name"`
	Per    Scope       `json:"per"`
	Period period.Kind `json:"period"`
	Amount money.Nanos `json:"amount"`
}

// Unit is what a rate limit counts.
type Unit string

// The units of a rate limit.
const (
	Requests Unit = "requests"
	Tokens   Unit = "tokens"
)

// RateLimit is a token bucket that holds Burst units and refills with Count
// units in each window.
type RateLimit struct {
	// Name is "policy/limit": the RateLimitPolicy's name and the limit's within it.
	Name string `json:"name"`
	Per  Scope  `json:"per"`
	// Tiers are the tiers the limit applies to; none means all.
	Tiers  []string `json:"tiers,omitempty"`
	Unit   Unit     `json:"unit"`
	Count  int64    `json:"count"`
	Burst  int64    `json:"burst"`
	Window Duration `json:"window"`
}

// AppliesTo reports whether calls of a user of the tier count against the limit.
func (l RateLimit) AppliesTo(tier string) bool {
	for _, t := range l.Tiers {
		if t == tier {
			return true
		}
	}
	return len(l.Tiers) == 0
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
	// Trip opens the breaker: no further paid call is admitted.
	Trip Action = "Trip"
)

// Rung is what happens when spent reaches AtPercent of a money limit.
type Rung struct {
	AtPercent int32  `json:"atPercent"`
	Action    Action `json:"action"`
}

// Reached is the spent amount at which the rung is reached under the limit.
func (r Rung) Reached(l MoneyLimit) money.Nanos { return l.Amount.Share(r.AtPercent) }

// TripAt is the lowest spent amount at which the breaker opens on the limit, and
// whether the ladder has such a rung at all.
func (t Tenant) TripAt(l MoneyLimit) (money.Nanos, bool) {
	for _, rung := range t.Ladder {
		if rung.Action == Trip {
			return rung.Reached(l), true
		}
	}
	return 0, false
}

// Protocol is the wire format that a provider speaks.
type Protocol string

// OpenAI is the OpenAI API and everything compatible with it.
const OpenAI Protocol = "OpenAI"

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
}

// Model is one model of a provider.
type Model struct {
	// Name is what callers ask for.
	Name string `json:"name"`
	// UpstreamName is what the provider is asked for.
	UpstreamName string `json:"upstreamName"`
	// MaxOutputTokens is the bound that is written into a request that has none.
	MaxOutputTokens int64 `json:"maxOutputTokens"`
	// Prices are what the model's tokens cost.
	Prices price.List `json:"prices"`
}

// Credential is an API key, known by its SHA-256, and whose it is.
type Credential struct {
	Sources []Source `json:"sources"`
	// SHA256 is the hash of the key in lower-case hexadecimal.
	SHA256 string `json:"sha256"`
	// Name is "namespace/name" of the APIKey, for logs and the ledger.
	Name   string `json:"name"`
	Tenant string `json:"tenant"`
	User   string `json:"user"`
	Tier   string `json:"tier"`
	// ExpiresAt is when the key stops working; nil means never.
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
}
