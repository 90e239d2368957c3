// Package outage tells when a store is out of reach, and when it is back: once each,
// however many objects wait for it, and whichever manager leads.
//
// It must never need the stores to tell of them: what was told stands in a ConfigMap.
package outage
