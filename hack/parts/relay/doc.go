// Package relay forwards connections to a server on loopback, and can be cut, so that tests
// can make a store unreachable for one client and not for others.
package relay
