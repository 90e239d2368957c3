// Package identityprovider reconciles IdentityProviders: it fetches the signing keys of
// their issuers, programs both into Redis, and reports in the status how far that has got.
//
// Keys are fetched here and nowhere else, so that enforcers need neither a way to issuers nor
// rights in the cluster. The keys that were fetched last are in the status and in the document,
// and stay in force while the issuer is unreachable. A key that its issuer does not list any
// more must never stay in force after the next fetch.
package identityprovider
