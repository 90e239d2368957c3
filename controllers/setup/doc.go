// Package setup puts the manager together: scheme, cache, indexes, stores, probes
// and the list of what is registered.
//
// It must never hold logic of its own: what the manager does is in the packages
// that are registered here.
package setup
