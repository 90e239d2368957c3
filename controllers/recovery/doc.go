// Package recovery ensures that paid calls are admitted only by correct counters.
//
// The Rebuilder, in every manager, watches Redis. One that has lost its data, was
// started again or has handed over to a replica, may have forgotten what was spent: the
// Rebuilder of the manager to which Postgres gives the turn suspends the limiter under a
// new epoch, whose number comes from Postgres, waits until the enforcers have announced
// what they have open and what they settled that the ledger does not have, restores the
// configuration from its copy, makes the epoch valid, and has all tenants recounted.
//
// The Recounter makes the counters of each tenant valid under the epoch, for the Rebuilder
// or as the tenant's controller comes to it: it sets them, and never adds to them, from the ledger and
// the calls that the ledger does not have yet. It does the same for a tenant that is
// new, and for a limit that a tenant did not have before.
package recovery
