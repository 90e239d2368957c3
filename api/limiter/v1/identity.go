package limiterv1

import (
	"encoding/json"
	"time"
)

// IdentityProvider is a compiled IdentityProvider: an issuer of tokens, the keys that its tokens
// are signed with, and what the claims of a token say of a caller.
type IdentityProvider struct {
	Sources []Source `json:"sources"`
	// Name is the name of the IdentityProvider, for logs and the ledger.
	Name string `json:"name"`
	// Issuers are what the claim iss may be; at least one.
	Issuers []string `json:"issuers"`
	// Audiences are the audiences of which the claim aud must have at least one; at least one.
	Audiences []string `json:"audiences"`
	// Algorithms are the signature algorithms (RFC 7518, 3.1; RFC 8037) that a token may have;
	// only asymmetric ones, at least one.
	Algorithms []string `json:"algorithms"`
	// Keys is the issuer's JWK set (RFC 7517) of public keys, as it was last fetched; empty if
	// it was never fetched.
	Keys json.RawMessage `json:"keys,omitempty"`
	// KeysAt is when these keys were first fetched, not when they were last found unchanged;
	// zero for keys in the IdentityProvider itself.
	KeysAt time.Time `json:"keysAt,omitzero"`
	// Leeway is how far the clocks of the issuer and of an enforcer may differ.
	Leeway Duration `json:"leeway"`
	// ClaimRules are the conditions on the claims, and UserRules those on the result of the
	// mappings.
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
	// Message is what a caller is told if the rule is not fulfilled.
	Message string `json:"message,omitempty"`
}

// ClaimMapping is a value from a token: a claim by its name, or a CEL expression over the
// variable claims. The zero mapping yields none.
type ClaimMapping struct {
	Claim      string `json:"claim,omitempty"`
	Expression string `json:"expression,omitempty"`
}

// ClaimMappings are what the claims of a token say of the caller.
type ClaimMappings struct {
	// User is the user that limits count and the ledger records; never zero.
	User ClaimMapping `json:"user"`
	// Tenant is a tenant, or a list of tenants, that the caller belongs to.
	Tenant ClaimMapping `json:"tenant,omitzero"`
	// Tier is the tier, unless a Membership gives another.
	Tier ClaimMapping `json:"tier,omitzero"`
	// Admin is whether the caller administers the tenants that Tenant names.
	Admin ClaimMapping `json:"admin,omitzero"`
	// Groups are groups of the caller, which Memberships can select, too.
	Groups ClaimMapping `json:"groups,omitzero"`
	// Labels are, by name, other things to record about the caller, such as a cost centre.
	Labels map[string]ClaimMapping `json:"labels,omitempty"`
}

// Members are a compiled Membership: which callers of one IdentityProvider belong to one tenant.
type Members struct {
	Sources []Source `json:"sources"`
	// Name is "namespace/name" of the Membership.
	Name string `json:"name"`
	// Tenant is the tenant that pays for them.
	Tenant string `json:"tenant"`
	// Provider is the name of their IdentityProvider.
	Provider string `json:"provider"`
	// Members are in the order of the Membership. The first one that matches a caller's
	// subject counts, or else the first that matches the e-mail address, or else the first
	// that matches a group. If several Memberships of a tenant match, the one with the
	// first Name counts. No two Members of a Membership have the same subject, e-mail
	// address or group.
	Members []Member `json:"members"`
}

// Member is one caller, or all of one group. Exactly one of Subject, Email and Group is set.
type Member struct {
	// Subject is the claim sub.
	Subject string `json:"subject,omitempty"`
	// Email is the claim email with ASCII letters in lower case, and counts only if the
	// claim email_verified is true. It is ASCII only: no other letter of a claim may become
	// one of its letters, as K (U+212A) does in lower case.
	Email string `json:"email,omitempty"`
	// Group is one of the groups that ClaimMappings.Groups gives.
	Group string `json:"group,omitempty"`
	// User overrides ClaimMappings.User; empty does not.
	User string `json:"user,omitempty"`
	// Tier is the caller's tier; empty leaves it to ClaimMappings.Tier.
	Tier string `json:"tier,omitempty"`
	// Groups are the caller's groups in the tenant.
	Groups []string `json:"groups,omitempty"`
	// Labels are the caller's labels in the tenant. They override those of the token.
	Labels map[string]string `json:"labels,omitempty"`
	// Admin is whether the caller administers the tenant.
	Admin bool `json:"admin,omitempty"`
	// Default is whether this tenant pays if the caller belongs to several and does not choose.
	Default bool `json:"default,omitempty"`
	// ActFor is the users that the caller may call for; nil for nobody else.
	ActFor *ActFor `json:"actFor,omitempty"`
}
