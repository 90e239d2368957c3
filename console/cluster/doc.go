// Package cluster is what the console knows of the Kubernetes cluster: who may ask, and the
// budgets, keys and policies that there are. It watches them, so that reading costs no request.
//
// It must never read Secrets, and takes of an object only what the manager has accepted.
package cluster
