package ledgerdb

import (
	"context"
	"errors"

	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/parts/postgres"
)

// Options say how the server is run.
type Options = postgres.Options

// Server is a running Postgres.
type Server struct{ postgres *postgres.Server }

// Start runs a Postgres. ctx bounds the start alone; the server runs until Stop.
func Start(ctx context.Context, opts Options) (*Server, error) {
	server, err := postgres.Start(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &Server{postgres: server}, nil
}

// Stop ends the server and waits until it has ended.
func (s *Server) Stop() error { return s.postgres.Stop() }

// Crash ends the server at once. Stop is still to be called.
func (s *Server) Crash() error { return s.postgres.Crash() }

// PID is the process of the server, whose children have the sessions.
func (s *Server) PID() int { return s.postgres.PID() }

// Port is the port that the server listens on.
func (s *Server) Port() int { return s.postgres.Port }

// Database is a database with the ledger's schema.
type Database struct {
	// Admin is the DSN of the superuser, Enforcer and Manager are those of logins
	// with the rights of their planes.
	Admin, Enforcer, Manager string
}

// NewDatabase makes a database with the ledger's schema and nothing in it.
func (s *Server) NewDatabase(ctx context.Context) (db Database, err error) {
	if db.Admin, err = s.postgres.NewDatabase(ctx); err != nil {
		return Database{}, err
	}
	if err := budgetstore.Migrate(ctx, db.Admin); err != nil {
		return Database{}, err
	}
	var errs [2]error
	db.Enforcer, errs[0] = s.postgres.NewLogin(ctx, db.Admin, "bursar_enforcer")
	db.Manager, errs[1] = s.postgres.NewLogin(ctx, db.Admin, "bursar_manager")
	return db, errors.Join(errs[:]...)
}

// Use calls run with a Server, as postgres.Use does with a Postgres.
func Use(run func(server *Server) int) (code int) {
	return postgres.Use(func(server *postgres.Server) int { return run(&Server{postgres: server}) })
}
