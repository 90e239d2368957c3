// Package redisclient makes the clients of Redis that both planes use, from one URL, so
// that the URLs of a single Redis, of Sentinels and of a Cluster look the same
// everywhere.
//
// Its errors never quote the URL, which may contain a password.
package redisclient
