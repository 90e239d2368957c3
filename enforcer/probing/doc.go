// Package probing answers the control plane's probes: it reports the limits by which this
// enforcer admits calls.
//
// It asks in the way in which every call is admitted, and must never answer from the
// configuration instead.
package probing
