// Package clients calls Bursar with the providers' own clients, as a newcomer would:
// from npm and from Go modules, with the base URL and the key the only change. What works
// with which client is printed at the end, as a table.
//
// It must never configure a client beyond what its documentation says: a trick that is
// needed here would be needed everywhere.
package clients
