// Package nearest finds the name that a misspelt one was meant to be.
//
// It must never know of whom it tells: its callers choose which names may be told.
package nearest
