// Package pgbouncer runs a PgBouncer before a Postgres, in transaction mode: connections of
// clients share those of the server, from one transaction to the next.
package pgbouncer

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/hack/parts/postgres"
	"github.com/bursar-dev/bursar/hack/parts/process"
)

// Server is a running PgBouncer.
type Server struct {
	address string
	process *process.Process
}

const settings = `[databases]
* = host=%s port=%s

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = trust
auth_file = %s
pool_mode = transaction
default_pool_size = 4
max_client_conn = 1000
`

// Start runs a program of PgBouncer, with its files in a directory, for the logins of a Postgres
// that the DSNs name. It has four connections to the server for each login.
func Start(ctx context.Context, program, directory string, dsns ...string) (*Server, error) {
	account, err := postgres.Unprivileged()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return nil, err
	}
	var users strings.Builder
	var server *url.URL
	for _, dsn := range dsns {
		if server, err = url.Parse(dsn); err != nil {
			return nil, fmt.Errorf("DSN: %w", err)
		}
		fmt.Fprintf(&users, "%q \"\"\n", server.User.Username())
	}
	port, err := process.FreePort()
	if err != nil {
		return nil, err
	}
	logins, config := filepath.Join(directory, "users.txt"), filepath.Join(directory, "pgbouncer.ini")
	content := fmt.Sprintf(settings, server.Hostname(), server.Port(), port, logins)
	for file, text := range map[string]string{logins: users.String(), config: content} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	s := &Server{address: fmt.Sprintf("127.0.0.1:%d", port)}
	if s.process, err = process.Start(process.Options{
		Name: "pgbouncer", Path: program, Args: []string{config}, Dir: directory, LogFile: filepath.Join(directory, "pgbouncer.log"), User: account,
	}); err != nil {
		return nil, err
	}
	return s, s.process.WaitReady(ctx, func(context.Context) error {
		conn, err := net.DialTimeout("tcp", s.address, time.Second)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// Through is the DSN that leads to the same database through PgBouncer. It makes pgx prepare no
// statements that outlive their transactions: another connection to the server would not have them.
func (s *Server) Through(dsn string) (string, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return "", fmt.Errorf("DSN: %w", err)
	}
	query := u.Query()
	query.Set("default_query_exec_mode", "cache_describe")
	u.Host, u.RawQuery = s.address, query.Encode()
	return u.String(), nil
}

// Stop ends it.
func (s *Server) Stop() error { return s.process.Stop() }
