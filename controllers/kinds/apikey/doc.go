// Package apikey reconciles APIKeys: it programs whose calls a key's are into
// Redis, and says in the status how far that has got.
//
// A key whose budget may not name its tenant must never stay programmed: its calls
// would be charged to a tenant that has not given it out.
package apikey
