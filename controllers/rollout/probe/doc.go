// Package probe finds out whether enforcers admit calls by the documents that they say
// they run, and wants probes where that is not known.
//
// It must never ask more often than an answer may take: after a change of the fleet,
// thousands of objects wait for an answer at once.
package probe
