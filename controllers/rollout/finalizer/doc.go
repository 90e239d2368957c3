// Package finalizer holds on to objects until what they programmed is withdrawn.
//
// It must never be asked to hold an object that has programmed nothing: such an
// object may go at once.
package finalizer
