// Package rollout is what the kinds share on the way of an object to the enforcers: the
// one reconciler that runs a kind's phases, and what it needs to write statuses, keep
// finalizers and requeue objects.
//
// A reconcile is a list of named phases over one scope. Every phase runs, except those
// that need the result of a failed one; errors are gathered. Then the status is written,
// in one place and with every condition, whatever has failed: first the Events of the
// change from the previous status, then the status itself.
//
// The package must never know a kind, nor decide anything about an object: the kinds'
// phases and the rules do that.
package rollout
