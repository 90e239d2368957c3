// Package recovery ensures that paid calls are admitted only by correct counters.
//
// The Rebuilder runs in every manager and watches Redis. A Redis that has lost its data, was
// restarted, or has handed over to a replica may have forgotten what was spent. The Rebuilder whose
// turn it is, which Postgres decides, then
//
//   - suspends the limiter under a new epoch, whose number comes from Postgres,
//   - waits until the enforcers have announced their open calls, and the settled calls
//     that the ledger does not have,
//   - restores the configuration from its copy,
//   - makes the epoch valid, and
//   - has all tenants recounted.
//
// The Recounter makes the counters of each tenant valid under the epoch, for the Rebuilder or for the
// tenant's controller, whichever comes first. It sets counters, and never adds to them, from the
// ledger and the calls that the ledger does not have yet. It does the same for a new tenant, and for a
// new limit of a tenant.
package recovery
