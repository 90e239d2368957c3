// Package provider sends calls to model providers: with the provider's key, without the
// client's header fields that say who is billed, and with an error that tells whether the
// provider may have received the call. Package protocol knows what differs by protocol.
//
// It must never send on a field of a client's header that is not known to be harmless, nor
// let a client see what an answer says of the account that Bursar has at the provider, nor put
// into an error, and so into a log, any byte that a provider has sent.
package provider
