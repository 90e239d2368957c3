// Package nearest finds the name that was meant by one that is misspelt.
//
// It must never know of whom it tells: which names may be told is for its callers to choose.
package nearest
