// Package session tells the control plane that an enforcer lives, and which
// configuration it runs.
//
// It must never report a configuration that is not applied yet: the Programmed condition
// of resources depends on it.
package session
