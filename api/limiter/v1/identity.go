package limiterv1

import (
	"encoding/json"
	"time"
)

// IdentityProvider is a compiled IdentityProvider: an issuer of tokens, the keys that its
// tokens are signed with, and what the claims of a token say of a caller.
type IdentityProvider struct {
	Sources []Source `json:"sources"`
	// Name is the name of the IdentityProvider, for logs and the ledger.
	Name string `json:"name"`
	// Issuers are what the claim iss may be; at least one.
	Issuers []string `json:"issuers"`
	// Audiences are those of which the claim aud must have one; at least one.
	Audiences []string `json:"audiences"`
	// Algorithms are the signature algorithms (RFC 7518, 3.1; RFC 8037) that a token may
	// have; asymmetric ones alone, at least one.
	Algorithms []string `json:"algorithms"`
	// Keys is the issuer's JWK set (RFC 7517) of public keys, as it was last fetched; empty
	// where it was never fetched.
	Keys json.RawMessage `json:"keys,omitempty"`
	// KeysAt is when these keys were first fetched, and not when they were last found to be the
	// same; zero for those that the IdentityProvider has itself.
	KeysAt time.Time `json:"keysAt,omitzero"`
	// Leeway is how far the clocks of the issuer and of an enforcer may differ.
	Leeway Duration `json:"leeway"`
	// ClaimRules are what the claims must fulfil, and UserRules what comes of the mappings must.
	ClaimRules []ClaimRule `json:"claimRules,omitempty"`
	UserRules  []ClaimRule `json:"userRules,omitempty"`
	// Mappings say who the caller is.
	Mappings ClaimMappings `json:"mappings"`
	// Tenants are the tenants that its tokens may name by Mappings.Tenant, and AllTenants
	// whether they may name any.
	Tenants    []string `json:"tenants,omitempty"`
	AllTenants bool     `json:"allTenants,omitempty"`
}

// ClaimRule is a condition: that a claim has a value, or that a CEL expression is true.
type ClaimRule struct {
	Claim         string `json:"claim,omitempty"`
	RequiredValue string `json:"requiredValue,omitempty"`
	Expression    string `json:"expression,omitempty"`
	// Message is what a caller is told where the rule is not fulfilled.
	Message string `json:"message,omitempty"`
}

// ClaimMapping is a value out of a token: a claim by its name, or a CEL expression over the
// variable claims. The zero mapping gives none.
type ClaimMapping struct {
	Claim      string `json:"claim,omitempty"`
	Expression string `json:"expression,omitempty"`
}

// ClaimMappings are what the claims of a token say of the caller.
type ClaimMappings struct {
	// User is the user by which limits count and the ledger records; never zero.
	User ClaimMapping `json:"user"`
	// Tenant is a tenant, or a list of tenants, to which the caller belongs.
	Tenant ClaimMapping `json:"tenant,omitzero"`
	// Tier is the tier where no Membership gives one.
	Tier ClaimMapping `json:"tier,omitzero"`
	// Admin is whether the caller administers the tenants that Tenant names.
	Admin ClaimMapping `json:"admin,omitzero"`
	// Groups are groups of the caller, by which Memberships select, too.
	Groups ClaimMapping `json:"groups,omitzero"`
	// Labels are, by name, what else is recorded of the caller, such as a cost centre.
	Labels map[string]ClaimMapping `json:"labels,omitempty"`
}

// Members are a compiled Membership: who of one IdentityProvider belongs to one tenant.
type Members struct {
	Sources []Source `json:"sources"`
	// Name is "namespace/name" of the Membership.
	Name string `json:"name"`
	// Tenant is the tenant that pays for them.
	Tenant string `json:"tenant"`
	// Provider is the name of their IdentityProvider.
	Provider string `json:"provider"`
	// Members are in the order of the Membership: the first that matches a caller by its
	// subject counts, or else by its e-mail address, or else by a group. Of several
	// Memberships of a tenant with such a match, that with the first Name counts. No two
	// Members of a Membership have the same subject, e-mail address or group.
	Members []Member `json:"members"`
}

// Member is one caller, or all of one group. Exactly one of Subject, Email and Group is set.
type Member struct {
	// Subject is the claim sub.
	Subject string `json:"subject,omitempty"`
	// Email is the claim email with ASCII letters in lower case, which counts only where the
	// claim email_verified is true. It is ASCII alone: no other letter of a claim may become
	// one of its letters, as K (U+212A) does in lower case.
	Email string `json:"email,omitempty"`
	// Group is one of the groups that ClaimMappings.Groups gives.
	Group string `json:"group,omitempty"`
	// User takes the place of ClaimMappings.User; empty leaves it.
	User string `json:"user,omitempty"`
	// Tier is the caller's tier; empty leaves it to ClaimMappings.Tier.
	Tier string `json:"tier,omitempty"`
	// Groups are the caller's groups in the tenant.
	Groups []string `json:"groups,omitempty"`
	// Labels are the caller's labels in the tenant. Each goes before that of the token.
	Labels map[string]string `json:"labels,omitempty"`
	// Admin is whether the caller administers the tenant.
	Admin bool `json:"admin,omitempty"`
	// Default is whether this tenant pays where the caller belongs to several and says nothing.
	Default bool `json:"default,omitempty"`
	// ActFor is whom the caller may call for; nil means nobody else.
	ActFor *ActFor `json:"actFor,omitempty"`
}
