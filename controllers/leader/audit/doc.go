// Package audit compares what the limiter counts as spent with what the ledger says,
// for every tenant, user, limit and period, and tells where they part.
//
// It must never cry wolf: a call may move from the limiter to the ledger while both are
// read. And it must never put anything right by itself.
package audit
