// Package issuer makes tokens, as the issuers do that companies sign in with: honest ones
// in the form that Stack Auth documents, and, for tests, whatever else a key can sign.
package issuer
