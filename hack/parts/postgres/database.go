package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// NewDatabase makes an empty database that nobody else uses and returns the
// superuser's DSN for it. Roles belong to the whole server, databases share them.
func (s *Server) NewDatabase(ctx context.Context) (dsn string, err error) {
	name := unique("db")
	if err := s.exec(ctx, "CREATE DATABASE "+quote(name)); err != nil {
		return "", fmt.Errorf("make database %s: %w", name, err)
	}
	return withUserAndDatabase(s.URL, "", name)
}

// NewLogin makes a login that can do what the group roles can, and nothing else,
// and returns its DSN for the database of databaseDSN. The groups, at least one, must be there.
func (s *Server) NewLogin(ctx context.Context, databaseDSN string, groups ...string) (dsn string, err error) {
	name, quoted := unique(groups[0]), make([]string, len(groups))
	for i, group := range groups {
		quoted[i] = quote(group)
	}
	if err := s.exec(ctx, "CREATE ROLE "+quote(name)+" LOGIN INHERIT IN ROLE "+strings.Join(quoted, ", ")); err != nil {
		return "", fmt.Errorf("make a login in %s: %w", strings.Join(groups, ", "), err)
	}
	return withUserAndDatabase(databaseDSN, name, "")
}

func (s *Server) exec(ctx context.Context, statement string) error {
	return s.admin(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, statement)
		return err
	})
}

func quote(identifier string) string { return pgx.Identifier{identifier}.Sanitize() }

func unique(prefix string) string {
	return prefix + "_" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
}
