// Package showcase is a company with two months of calls, on a real API server and a real
// Postgres. The console's pages are tested on it, and their pictures show it. No manager runs:
// the package writes the statuses that a manager would.
package showcase
