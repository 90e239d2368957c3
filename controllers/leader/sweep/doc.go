// Package sweep withdraws what is still in force of objects that are gone: their finalizers
// were removed while no manager ran, or a restored etcd no longer has them. Nothing outlives
// its object.
//
// It must never withdraw what belongs to an existing object. Objects that are not in the
// cache are looked for in the API server, and an error of either withdraws nothing.
package sweep
