// Package identity identifies the caller of a request by its credential alone, and, where the
// credential may act for others, whom the caller names.
//
// It must never take anything of any other subject from a header or a body that a caller
// can write, and never let a credential into an error or a log.
package identity
