// Package relay is a way to a server on loopback that can be cut, so that tests can
// take a store out of one client's reach and leave it in that of others.
package relay
