// Package openid runs an OpenID Connect server for the dev stack and for tests: discovery,
// the authorization code flow with PKCE, a page where people sign in, refresh tokens, and
// keys that rotate. What it does by itself is whom it knows; the protocol is that of a
// certified library. SignIn signs somebody in as a browser would.
//
// Everybody knows its passwords. It must never listen anywhere but on this machine.
package openid
