package openid

import (
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// The clients that people can sign in to.
const (
	// CommandLine is a public client, which SignIn is.
	CommandLine = "bursar-cli"
	// Console is a client with a secret, for a console that runs on this machine.
	Console       = "bursar-console"
	ConsoleSecret = "bursar-sample-console"
)

// Audience is the claim aud of access tokens.
const Audience = "bursar"

// Lifetime is how long access tokens and ID tokens are valid.
const Lifetime = 10 * time.Minute

// ScopeGroups asks for the claim groups.
const ScopeGroups = "groups"

// client is an OAuth client.
type client struct {
	id, secret string
	// redirectURIs are where people are sent back to. Those of a public client are valid with any
	// port; other clients have patterns for that.
	redirectURIs, patterns []string
}

func clients() map[string]client {
	return map[string]client{
		CommandLine: {id: CommandLine, redirectURIs: []string{redirectURI, "http://localhost/callback", "http://127.0.0.1/sign-in/callback"}},
		Console:     {id: Console, secret: ConsoleSecret, patterns: []string{"http://127.0.0.1:*/**", "http://localhost:*/**", "https://127.0.0.1:*/**"}},
	}
}

// isPublic reports whether the client has no secret, so that PKCE alone binds a code to it.
func (c client) isPublic() bool { return c.secret == "" }

func (c client) GetID() string                        { return c.id }
func (c client) RedirectURIs() []string               { return c.redirectURIs }
func (c client) RedirectURIGlobs() []string           { return c.patterns }
func (c client) PostLogoutRedirectURIs() []string     { return c.redirectURIs }
func (c client) PostLogoutRedirectURIGlobs() []string { return c.patterns }

func (c client) ApplicationType() op.ApplicationType {
	if c.isPublic() {
		return op.ApplicationTypeNative
	}
	return op.ApplicationTypeWeb
}

func (c client) AuthMethod() oidc.AuthMethod {
	if c.isPublic() {
		return oidc.AuthMethodNone
	}
	return oidc.AuthMethodBasic
}

func (c client) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}

func (c client) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken}
}

func (c client) LoginURL(id string) string            { return signInPath + "?id=" + id }
func (c client) AccessTokenType() op.AccessTokenType  { return op.AccessTokenTypeJWT }
func (c client) IDTokenLifetime() time.Duration       { return Lifetime }
func (c client) DevMode() bool                        { return true } // without TLS
func (c client) IsScopeAllowed(scope string) bool     { return scope == ScopeGroups }
func (c client) IDTokenUserinfoClaimsAssertion() bool { return true }
func (c client) ClockSkew() time.Duration             { return 0 }

func (c client) RestrictAdditionalIdTokenScopes() func([]string) []string     { return slices.Clone }
func (c client) RestrictAdditionalAccessTokenScopes() func([]string) []string { return slices.Clone }
