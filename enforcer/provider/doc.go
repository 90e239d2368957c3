// Package provider knows how model providers are spoken to: how a call is read
// and its cost bounded before it is sent, how it is sent, and where its answer
// says what it used. Each protocol is one file.
//
// It must never send on what a caller wrote in a header, since headers choose who
// is billed, nor pass a request whose cost it cannot bound, nor guess a usage that
// the provider did not report.
package provider
