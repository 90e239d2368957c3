// Package protocol knows the protocols of model providers: how a call is read and its
// cost bounded before it is sent, where its answer says what it used, where keys stand,
// and how an error is written. A protocol is one Protocol, in the file with its name, and
// the Endpoints that it lists; Protocols lists all of them.
//
// It must never let a request pass whose cost it cannot bound, nor guess a usage that the
// provider did not report, nor send anything itself.
package protocol
