// Package rollout is what the kinds share on the way of an object to the enforcers: the
// one reconciler that runs a kind's phases, and what it needs to write statuses, keep
// finalizers and ask for another look.
//
// A reconcile is a list of named phases over one scope. Every phase runs, except one
// that needs the result of another that has failed; errors are gathered. Then the status
// is written, in one place and with every condition, whatever has failed: first the
// Events of the way from the status before, then the status itself.
//
// The package must never know a kind, nor decide anything about an object: that is in
// the kinds' phases and in the rules.
package rollout
