// Package retry repeats an operation until it succeeds.
//
// It must never be used where giving up is acceptable.
package retry
