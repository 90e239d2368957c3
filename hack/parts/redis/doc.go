// Package redis runs a real Redis on loopback for tests and the dev stack.
//
// It is set up as Bursar requires of any Redis: nothing is ever evicted. It must
// never be reachable from another machine: it asks for no password.
package redis
