// Package cluster is what the console knows of the Kubernetes cluster: the callers, and the
// budgets, keys and policies. It watches them, so that reading costs no request. A Writer
// changes the cluster on behalf of a person.
//
// It must never read Secrets, takes from an object only what the manager has accepted, and
// never changes what others manage.
package cluster
