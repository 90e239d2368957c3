// Package identity identifies the caller of a request, by its credential alone.
//
// It must never take anything of a subject from a header or a body that a caller
// can write, and never let a credential into an error or a log.
package identity
