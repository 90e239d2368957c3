// Package clients calls Bursar with the providers' own clients, as a newcomer would:
// from npm, with the base URL and the key the only change.
//
// It must never say more to a client than its own documentation does: what takes a
// trick here would take one everywhere.
package clients
