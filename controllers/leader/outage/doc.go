// Package outage reports when a store is out of reach, and when it is back: once each,
// however many objects wait for it, and whichever manager leads.
//
// It must never need the stores to report on them: what was reported is kept in a ConfigMap.
package outage
