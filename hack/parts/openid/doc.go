// Package openid runs an OpenID Connect server for the dev stack and for tests: discovery,
// the authorization code flow with PKCE, a page where people sign in, refresh tokens, and
// keys that rotate. It only adds people and clients: a certified library implements the
// protocol. SignIn signs a person in as a browser would.
//
// Everybody knows its passwords. It must never listen anywhere but on this machine.
package openid
