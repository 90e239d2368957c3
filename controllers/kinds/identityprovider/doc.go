// Package identityprovider reconciles IdentityProviders: it fetches the signing keys of
// their issuers, programs both into Redis, and reports in the status how far that has got.
//
// Keys are fetched here and nowhere else: enforcers need neither a way out nor a right in
// the cluster. Those that were fetched last stand in the status and in the document, and
// stay in force while the issuer is away. A key must never outlive its issuer's word: what
// an issuer does not list any more is in force until the next fetch, and no longer.
package identityprovider
