// Package cluster is what the console knows of the Kubernetes cluster: who may ask, and the
// budgets, keys and policies that there are. It watches them, so that reading costs no request.
// A Writer changes the cluster, on behalf of a person.
//
// It must never read Secrets, takes of an object only what the manager has accepted, and
// never changes what somebody else manages.
package cluster
