// Package probe checks whether enforcers admit calls by the documents that they report,
// and requests probes of the documents for which that is not known.
//
// It must never repeat a request before it can have been answered: after a change of the
// fleet, thousands of objects wait for an answer at once.
package probe
