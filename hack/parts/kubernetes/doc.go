// Package kubernetes runs a real API server, with its etcd, on loopback for
// tests and the dev stack, with Bursar's resource definitions installed.
//
// The rest of a cluster is missing: no controllers, so deleted namespaces stay, and no
// nodes. It must never talk to a cluster that was there
// before, whatever the environment says.
package kubernetes
