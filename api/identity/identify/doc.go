// Package identify identifies the caller of a request, by its credential alone: which of
// the credentials that a request comes with counts, whose an API key or a token is, and
// which tenants its caller belongs to. The enforcer and the console ask it alike.
//
// It must never take anything of a caller from a header or a body that a caller
// can write, and never let a credential into an error or a log.
package identify
