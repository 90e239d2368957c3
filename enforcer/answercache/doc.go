// Package answercache keeps answers that clients got, so that they can be sent again.
//
// They are kept only in the memory of this process, each for the time that its caller
// gives; when there are too many, the least recently used go first. It must never return
// an answer for another key than the one it was stored under: the key says whose answer
// it is and to which request.
package answercache
