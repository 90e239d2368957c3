// Package recovery ensures that paid calls are admitted only by correct counters.
//
// The Rebuilder, in the leader, watches Redis. One that has lost its data, was
// started again or has handed over to a replica, may have forgotten what was spent:
// the Rebuilder suspends the limiter under a new epoch, whose number comes from
// Postgres, waits until the enforcers have taken what they settled to the ledger and
// have announced what they have open, and makes the epoch valid.
//
// The Recounter then makes the counters of each tenant valid under the epoch, as its
// controller comes to it: it sets them, and never adds to them, from the ledger and
// the calls that the ledger does not have yet. It does the same for a tenant that is
// new, and for a limit that a tenant did not have before.
package recovery
