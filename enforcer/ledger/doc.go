// Package ledger writes settled calls to Postgres: one row per call, exactly once.
//
// It must never hold up a call, lose one while Postgres is away, or let one row
// that the database rejects block others. It removes from Redis what it has written;
// what it could not write stays there for another enforcer to write.
//
// Refused calls go to a table of their own. They move no money, so they wait only in
// memory; their number is bounded, and those that do not fit are dropped and counted.
package ledger
