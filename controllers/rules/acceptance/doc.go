// Package acceptance decides which objects take effect: those that are valid and whose
// names and references they may use.
//
// The controllers report it in the condition Accepted, and the webhooks tell it to the
// writer of an object: neither may have rules of its own.
package acceptance
