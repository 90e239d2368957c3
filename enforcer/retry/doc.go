// Package retry does again what must be done and has failed.
//
// It must never be used where giving up is an answer.
package retry
