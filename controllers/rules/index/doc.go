// Package index names the fields that the manager's cache finds objects by.
//
// It must never index what is not in a spec: a status changes too often.
package index
