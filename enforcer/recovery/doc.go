// Package recovery is the enforcer's part when Redis has lost its data, or has come back
// with old data. The control plane declares an epoch to be rebuilt; from then on nothing
// is admitted or settled. Each enforcer then makes sure that the ledger has every call
// that it settled, leaves in Redis exactly the calls that it has open, and announces
// this. When all have, the control plane makes the epoch valid, and sets the counters
// from the ledger and the open calls.
package recovery
