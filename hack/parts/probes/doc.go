// Package probes answers the control plane's probes, for tests of it, as an enforcer
// does that admits calls by the documents as they stand.
package probes
