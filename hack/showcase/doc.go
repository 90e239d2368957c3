// Package showcase is a company with two months of calls, on a real API server and a real
// Postgres: what the console's pages are tested on, and what their pictures show. No manager
// runs: it says in its place what that has found.
package showcase
