// Package identify identifies the caller of a request, by its credential alone: which of
// a request's credentials counts, whose API key or token it is, and which tenants its
// caller belongs to. Both the enforcer and the console use it.
//
// It must never take anything about a caller from a header or a body that the caller can
// write, and never let a credential into an error or a log.
package identify
