// Package budgetstore is the control plane's side of Postgres: the schema and its
// migrations, the rows of tenants and of their budget limits, and the partitions
// of the ledger.
//
// Rows are closed, never deleted: what a tenant was allowed stays on record beside
// what it spent. The package must never write a call into the ledger; only
// enforcers do.
package budgetstore
