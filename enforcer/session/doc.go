// Package session tells the control plane that an enforcer lives, and which
// configuration it runs.
//
// It must never report a configuration that is not run yet: that a resource is
// Programmed rests on its word.
package session
