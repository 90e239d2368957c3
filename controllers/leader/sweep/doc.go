// Package sweep withdraws what objects have in force that are gone: whose finalizers were
// removed while no manager ran, or that a restored etcd no longer has. Nothing outlives its
// object.
//
// It must never withdraw what belongs to an object that is there. What is not in the cache is
// looked for in the API server, and an error, of whichever of them, withdraws nothing.
package sweep
