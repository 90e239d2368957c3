// Package identity identifies the caller of a call by its credential alone, and, where the
// credential may act for others, whom the caller names. api/identity/identify finds out whose the
// credential is, in the fields in which clients of each protocol send one.
//
// It must never take anything of any other subject from a header or a body that a caller
// can write, and never let a credential into an error or a log.
package identity
