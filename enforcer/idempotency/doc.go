// Package idempotency sees to it that a call which its caller has named, in the
// header field Idempotency-Key, is paid for once.
//
// Who is to make a named call claims the name in Redis first, so that all enforcers
// agree: one claim stands at a time. It is released when the call has cost nothing,
// so that the name is free again, and kept otherwise, for as long as the window.
//
// The id of the call is not made of its name: a limiter that was asked about an id
// before says what it said then, and a name that is free again must be asked about
// anew. The claim says which call has the name.
//
// It must never tell Redis a name, a request or an answer: there are hashes alone.
package idempotency
