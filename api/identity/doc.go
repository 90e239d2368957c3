// Package identity finds the caller that a token identifies: it verifies tokens by compiled
// IdentityProviders, and finds the tenants that their callers belong to by compiled
// Memberships.
//
// It is pure: no network, no clock, no log. The control plane compiles with it what it
// accepts, and the data plane what it runs. It must never believe a token before its
// signature is verified, and never put a token into an error.
package identity
