// Package audit compares what the limiter counts as spent with what the ledger says,
// for every tenant, user, limit and period, and reports where they differ. It compares the sums
// of what was used with the ledger, too.
//
// It must never report a false difference: a call may move from the limiter to the ledger
// while both are read. And it must never correct anything by itself.
package audit
