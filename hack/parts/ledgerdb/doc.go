// Package ledgerdb runs a real Postgres with the ledger's schema and logins of
// both planes, for tests that need the ledger and are neither plane's own.
//
// It must never hold data that anybody needs.
package ledgerdb
