// Package probe finds out whether enforcers admit calls by the documents that they say
// they run, and wants probes where that is not known.
//
// It must never ask more often than an answer may take: thousands of objects wait for
// theirs at once after a change of the fleet.
package probe
