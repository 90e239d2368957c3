// Package idempotency ensures that a call with an Idempotency-Key header field is paid
// for once.
//
// An enforcer claims the key in Redis before it makes the call, so that all enforcers
// agree: there is one claim at a time. It is released when the call has cost nothing,
// so that the key can be used again, and otherwise kept for the window.
//
// The call's ID is not derived from its key: the limiter repeats its decision for an ID
// that it has seen, and a released key needs a new decision. The claim says which call
// has the key.
//
// It must never send Redis a key, a request or an answer, only their hashes.
package idempotency
