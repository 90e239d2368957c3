// Package redisclient makes the clients of Redis that both planes use, from one
// URL, so that what the URL of one Redis, of Sentinels or of a Cluster looks like
// is the same everywhere.
//
// Its errors never quote the URL, which may contain a password.
package redisclient
