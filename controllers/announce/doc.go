// Package announce tells of what happened to objects in Kubernetes Events.
//
// It must never be called before the status that an Event follows from is written:
// the status is the memory that keeps an Event from being told twice.
package announce
