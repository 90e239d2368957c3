// Package limiterstore is the control plane's side of Redis: it writes compiled
// documents under revisions, and reads which enforcers run them and how far
// tenants have got with their money.
//
// Each operation is one script, in a .lua file of its own, and one round trip.
// Counters belong to the enforcers: this package reads them and must never write
// one.
package limiterstore
