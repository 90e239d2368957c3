// Package documents writes compiled configuration as the control plane does, for
// tests of the data plane, which has no control plane.
package documents
