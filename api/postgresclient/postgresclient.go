// Package postgresclient opens the pools of connections to Postgres that all of
// Bursar's programs use.
//
// Its errors never hold a password.
package postgresclient

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Open makes a pool of at most maxConns connections to the database at a URL such as
// "postgres://user:password@host:5432/bursar", or at a DSN of libpq's form. It does
// not connect yet. ctx bounds the opening of connections in the background.
//
// A URL that leaves open whether the connection is encrypted is refused; see Parse.
func Open(ctx context.Context, raw string, maxConns int32) (*pgxpool.Pool, error) {
	options, err := pgxpool.ParseConfig(raw)
	if err != nil {
		return nil, fmt.Errorf("parse the Postgres URL: %w", err) // pgx leaves passwords out
	}
	if err := isDecided(options.ConnConfig); err != nil {
		return nil, err
	}
	options.MaxConns = maxConns
	return pgxpool.NewWithConfig(ctx, options)
}

// Parse parses the URL of a single connection, as Open does for a pool.
//
// libpq's default, sslmode=prefer, sends the password and everything else unencrypted to
// any server that says it cannot encrypt. So the URL of a server that is not on this
// machine must say sslmode=verify-full, verify-ca, require or disable.
func Parse(raw string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(raw)
	if err != nil {
		return nil, fmt.Errorf("parse the Postgres URL: %w", err)
	}
	return config, isDecided(config)
}

var errUndecided = errors.New("the Postgres URL leaves open whether the connection is encrypted: add sslmode=verify-full to it " +
	"(with sslrootcert=FILE for a certificate authority of your own), or sslmode=disable where nobody can listen")

// isDecided fails if some of the ways to a server that is not on this machine are
// encrypted and others are not.
func isDecided(config *pgx.ConnConfig) error {
	ways := append([]*pgconn.FallbackConfig{{Host: config.Host, TLSConfig: config.TLSConfig}}, config.Fallbacks...)
	var encrypted, plain bool
	for _, way := range ways {
		if !isLocal(way.Host) {
			encrypted, plain = encrypted || way.TLSConfig != nil, plain || way.TLSConfig == nil
		}
	}
	if encrypted && plain {
		return errUndecided
	}
	return nil
}

// isLocal reports whether a host is this machine, by a socket or its loopback.
func isLocal(host string) bool {
	address, err := netip.ParseAddr(host)
	return strings.HasPrefix(host, "/") || host == "localhost" || err == nil && address.IsLoopback()
}
