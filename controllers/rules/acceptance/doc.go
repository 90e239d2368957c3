// Package acceptance decides which objects are to have effect: those that are valid
// and whose names and references are theirs to use.
//
// The controllers say it in the condition Accepted, and the webhooks to who writes an
// object: both must never find rules of their own.
package acceptance
