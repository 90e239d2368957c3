// Package precedence decides which of several objects has a name that only one may have.
//
// It must never depend on the order in which objects were seen: every manager,
// whenever it asks, gets the same answer.
package precedence
