package postgres_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bursar-dev/bursar/hack/parts/postgres"
)

var server *postgres.Server

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if server, err = postgres.Start(context.Background(), postgres.Options{}); err != nil {
		println(err.Error())
		return 1
	}
	code := m.Run()
	if err := server.Stop(); err != nil {
		println(err.Error())
		return 1
	}
	return code
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, statement string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func newDatabase(t *testing.T) string {
	t.Helper()
	dsn, err := server.NewDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}

func TestDatabasesAreApart(t *testing.T) {
	a, b := connect(t, newDatabase(t)), connect(t, newDatabase(t))
	exec(t, a, "CREATE TABLE things (id int)")
	exec(t, b, "CREATE TABLE things (id int)")
	exec(t, a, "INSERT INTO things VALUES (1)")
	var count int
	if err := b.QueryRow(t.Context(), "SELECT count(*) FROM things").Scan(&count); err != nil {
		t.Fatal(err)
	}
	if count != 0 {
		t.Errorf("the second database sees %d rows of the first", count)
	}
}

// TestLogin: a login may what its group may, and nothing else.
func TestLogin(t *testing.T) {
	dsn := newDatabase(t)
	owner := connect(t, dsn)
	exec(t, owner, "CREATE ROLE writers NOLOGIN")
	exec(t, owner, "CREATE TABLE things (id int)")
	exec(t, owner, "GRANT INSERT ON things TO writers")

	login, err := server.NewLogin(t.Context(), dsn, "writers")
	if err != nil {
		t.Fatal(err)
	}
	writer := connect(t, login)
	exec(t, writer, "INSERT INTO things VALUES (1)")
	const insufficientPrivilege = "42501"
	for _, forbidden := range []string{"SELECT * FROM things", "CREATE TABLE others ()", "CREATE ROLE friends"} {
		_, err := writer.Exec(t.Context(), forbidden)
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != insufficientPrivilege {
			t.Errorf("%s: %v, want it refused with %s", forbidden, err, insufficientPrivilege)
		}
	}
	if _, err := server.NewLogin(t.Context(), dsn, "no-such-group"); err == nil {
		t.Error("made a login in a group that is not there")
	}
}

// TestRestart: a server started where one ran, or crashed, has its data.
func TestRestart(t *testing.T) {
	for name, end := range map[string]func(*postgres.Server) error{
		"stopped": (*postgres.Server).Stop,
		"crashed": (*postgres.Server).Crash,
	} {
		t.Run(name, func(t *testing.T) {
			opts := postgres.Options{Dir: t.TempDir()}
			first, err := postgres.Start(t.Context(), opts)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = first.Stop() })
			exec(t, connect(t, first.URL), "CREATE TABLE things AS SELECT 42 AS id")
			if err := end(first); err != nil {
				t.Fatal(err)
			}

			opts.Port = first.Port
			second, err := postgres.Start(t.Context(), opts)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = second.Stop() })
			if second.URL != first.URL {
				t.Errorf("URL is %s, want %s", second.URL, first.URL)
			}
			var id int
			if err := connect(t, second.URL).QueryRow(t.Context(), "SELECT id FROM things").Scan(&id); err != nil || id != 42 {
				t.Errorf("found %d, %v, want 42", id, err)
			}
		})
	}
}

func TestTakenPort(t *testing.T) {
	second, err := postgres.Start(t.Context(), postgres.Options{Port: server.Port})
	if err == nil {
		_ = second.Stop()
		t.Fatalf("two servers on port %d", server.Port)
	}
}
