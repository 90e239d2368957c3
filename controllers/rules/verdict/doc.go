// Package verdict is the result of a rule about an object, in a condition's terms:
// status, reason and message.
//
// It must never know which condition tells it, nor when it changed: that is for the
// packages that write conditions.
package verdict
