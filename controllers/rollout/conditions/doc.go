// Package conditions builds the conditions that all kinds have: Accepted,
// Programmed and Ready.
//
// It decides from what it is given and must never read anything itself.
package conditions
