// Package provider sends calls to model providers: with the provider's key, without what
// the client's header says of who is billed, and with an error that tells whether the
// provider can have been asked. What is a protocol's own it asks of package protocol.
//
// It must never send on a field of a client's header that is not known to be harmless, nor
// let a client see what an answer says of the account that Bursar has at the provider.
package provider
