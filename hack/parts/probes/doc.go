// Package probes answers the control plane's probes, for tests of it, like an enforcer
// that admits calls by the documents that Redis has.
package probes
