// Package callers turns the resources that say who is calling, APIKeys, IdentityProviders
// and Memberships, into documents. The manager puts them where enforcers read them, and the
// console, which reads the resources themselves, keeps them in memory.
//
// Its functions are pure: the same resources make the same document, byte for byte once
// encoded.
package callers
