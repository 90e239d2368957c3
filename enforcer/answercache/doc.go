// Package answercache keeps answers that clients were given, so that they can be
// given again.
//
// They are in the memory of this process alone, for as long as whoever keeps them
// says, and the ones that nobody asked for go first when there are too many. It
// must never give an answer for another key than it was kept for: a key says whose
// the answer is and to what.
package answercache
