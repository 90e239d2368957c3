// Package admission is the heart of the data plane: it decides whether a call may
// be made, holds its worst-case cost before it is made, and ends the hold with
// the true cost after it.
//
// It knows the rules and nothing of HTTP, of providers or of Redis: time and
// counters come from the Store, which applies all the checks of a call together
// or not at all. It must never decide by the clock of the machine it runs on.
package admission
