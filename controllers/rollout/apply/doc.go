// Package apply writes statuses by server-side apply.
//
// It must never write what it was not given the present version of: a status is
// compared with the one before it, and Events follow from the difference.
package apply
