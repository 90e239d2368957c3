// Package kubernetes runs a real API server, with its etcd, on loopback for
// tests and the dev stack, with Bursar's resource definitions installed.
//
// There is nothing else of a cluster: no controllers, so that namespaces stay
// when deleted, and no nodes. It must never talk to a cluster that was there
// before, whatever the environment says.
package kubernetes
