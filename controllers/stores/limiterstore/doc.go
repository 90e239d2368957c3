// Package limiterstore is the control plane's side of Redis, split by what is stored:
// compiled documents under revisions (Documents), the sessions of enforcers that run
// them (Enforcers), money counters (Counters), calls on their way to the ledger (Calls),
// the generation of it all (Epochs), probes (Probes) and what audits have found
// (Findings). Only the leader changes documents: see term.
//
// Counters belong to the enforcers. This package reads them, and sets those of a tenant
// that it has suspended before, anew and as a whole; it must never add to one, nor take from
// it. What decides is a script, in a .lua file of its own, and one round trip.
package limiterstore
