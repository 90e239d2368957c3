// Package verdict has what a rule finds about an object in the words of a condition:
// status, reason and message.
//
// It must never know which condition says it, nor when it changed: that is for the
// packages that write conditions.
package verdict
