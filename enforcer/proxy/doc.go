// Package proxy is the door that speaks HTTP: it turns requests into calls, sends those
// that may be made to the provider, and passes the answers back.
//
// serve.go is what it does with a request, and forward.go what happens while an answer
// is under way. It has no rule of a call: those are in package call. What it knows is
// HTTP: paths and methods, how long a body may take to be read and an answer to be
// written, and that a client may hang up. It must never leave a call without its end,
// whatever the client, the provider or this code does.
package proxy
