// Package ledger takes settled calls to Postgres: one row a call, once.
//
// It must never hold up a call, lose one while Postgres is away, or let one row
// that the database refuses stand in the way of others. What it has written it
// drops from Redis; what it could not write stays there for another to write.
//
// Refused calls go to a table of their own. They move no money: they are in memory
// alone, there are never many of them, and what does not fit is left out and counted.
package ledger
