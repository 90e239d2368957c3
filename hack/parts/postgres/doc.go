// Package postgres runs a real Postgres on loopback for tests and the dev stack.
//
// It trades durability for speed and trusts every login from this machine: it
// must never hold data that anybody needs, nor be reachable from elsewhere.
package postgres
