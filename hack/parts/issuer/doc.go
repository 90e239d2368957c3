// Package issuer makes tokens, as the issuers of companies do: correct ones in the form that
// Stack Auth documents, and, for tests, whatever else a key can sign.
package issuer
