// Package apikey reconciles APIKeys: it programs the owner of each key into Redis, and
// reports in the status how far that has been rolled out.
//
// A key whose budget may not name its tenant must never stay programmed: its calls
// would be charged to a tenant that has not given it out.
package apikey
