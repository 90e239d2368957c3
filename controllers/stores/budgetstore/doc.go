// Package budgetstore is the control plane's side of Postgres: the schema and its
// migrations, and what is stored in it: the rows of tenants and their budget limits
// (Limits), of grants (Grants), of alerts (Alerts) and of their deliveries
// (Deliveries), the months of the ledger (Partitions), what it says (LedgerReader), and
// the numbers of the limiter's epochs (Epochs).
//
// Rows are closed, never deleted: what a tenant was allowed stays on record beside
// what it spent. The package must never write a call into the ledger; only
// enforcers do.
package budgetstore
