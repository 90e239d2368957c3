// Package probing answers the control plane's question by which limits this enforcer
// really admits calls.
//
// It asks in the way in which every call is admitted, and must never answer from the
// configuration instead.
package probing
