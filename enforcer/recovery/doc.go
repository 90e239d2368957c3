// Package recovery is the enforcer's part when Redis has lost its data, or has come back
// with old data. The control plane begins a new epoch; until that epoch is valid, nothing
// is admitted or settled. Each enforcer leaves its open calls, and the settled calls that
// the ledger may not have, in Redis or, if it cannot reach Redis, in Postgres, and announces
// that it has. When all have, the control plane makes the epoch valid, and sets the counters
// from the ledger and these calls.
//
// An enforcer that an epoch was opened without has its settled calls counted afterwards.
package recovery
