package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bursar-dev/bursar/hack/parts/process"
)

// startTimeout is how long making the files and starting may take together.
const startTimeout = 2 * time.Minute

// attempts is how often another port is tried if another program took ours.
const attempts = 3

// superuser is the name of the login that owns everything.
const superuser = "postgres"

// ErrMissing means that this machine has no Postgres server.
var ErrMissing = errors.New("postgres and initdb are neither on the PATH nor in /usr/lib/postgresql/*/bin: " +
	"run `make parts` as root on Debian, or install a Postgres server, version 14 or newer " +
	"(Debian, Ubuntu: apt-get install postgresql; Fedora: dnf install postgresql-server; macOS: brew install postgresql)")

// Options say how the server is run.
type Options struct {
	// Dir is where its data and its log are kept, and left, so that a server
	// started there again has them; empty means a new directory that Stop removes.
	Dir string
	// Port is the port it listens on; zero means a free one.
	Port int
	// Settings are more of its parameters, such as "track_commit_timestamp=on".
	Settings []string
}

// Server is a running Postgres.
type Server struct {
	// URL is the DSN of the superuser, in the database "postgres".
	URL  string
	Port int

	process *process.Process
	tempDir string
}

// Start runs a Postgres, in Dir's data if there are any, and waits until it
// answers. ctx bounds the start alone; the server runs until Stop.
func Start(ctx context.Context, opts Options) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	account, err := Unprivileged()
	if err != nil {
		return nil, err
	}
	s := &Server{}
	if opts.Dir == "" {
		if s.tempDir, err = os.MkdirTemp("", "bursar-postgres-"); err != nil {
			return nil, err
		}
		opts.Dir = s.tempDir
	} else if opts.Dir, err = filepath.Abs(opts.Dir); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err = initialise(ctx, bin, opts.Dir, account); err != nil {
		return nil, errors.Join(err, s.removeTempDir())
	}
	for range attempts {
		if err = s.start(ctx, bin, opts, account); err == nil {
			return s, nil
		}
		if opts.Port != 0 || ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(err, s.removeTempDir())
}

// binaries is the directory with initdb and postgres: that of the PATH, else the
// newest of Debian's, which keeps them off the PATH.
func binaries() (string, error) {
	if initdb, err := exec.LookPath("initdb"); err == nil {
		if _, err := exec.LookPath("postgres"); err == nil {
			return filepath.Dir(initdb), nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", ErrMissing
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		return n
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

// Unprivileged is the account to run as, or nil for the present one. Postgres refuses to run as root.
func Unprivileged() (*process.User, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(account.Uid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		gid, err := strconv.ParseUint(account.Gid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		return &process.User{UID: uint32(uid), GID: uint32(gid)}, nil
	}
	return nil, errors.New("postgres refuses to run as root, and there is neither a user postgres nor nobody: run as an ordinary user")
}

func dataDir(dir string) string { return filepath.Join(dir, "data") }

func logFile(dir string) string { return filepath.Join(dir, "postgres.log") }

// environment keeps the developer's own PG* variables away from the server.
func environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
}

// initialise makes the files of a new server, unless they are there.
func initialise(ctx context.Context, bin, dir string, account *process.User) error {
	data := dataDir(dir)
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err == nil {
		return nil
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	if account != nil {
		if err := os.Chown(data, int(account.UID), int(account.GID)); err != nil {
			return err
		}
	}
	return process.Run(ctx, process.Options{
		Path: filepath.Join(bin, "initdb"),
		Args: []string{
			"--pgdata", data, "--username", superuser, "--auth", "trust",
			"--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions",
		},
		Env: environment(), Dir: "/", LogFile: logFile(dir), User: account,
	})
}

func (s *Server) start(ctx context.Context, bin string, opts Options, account *process.User) (err error) {
	s.Port = opts.Port
	if s.Port == 0 {
		if s.Port, err = process.FreePort(); err != nil {
			return err
		}
	}
	s.URL = fmt.Sprintf("postgres://%s@127.0.0.1:%d/postgres?sslmode=disable", superuser, s.Port)
	data := dataDir(opts.Dir)
	args := []string{
		"-D", data, "-p", strconv.Itoa(s.Port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		// What was committed outlives a crash of the server, not of the machine.
		"-c", "fsync=off", "-c", "full_page_writes=off",
		"-c", "max_connections=200", "-c", "log_min_duration_statement=1000",
	}
	for _, setting := range opts.Settings {
		args = append(args, "-c", setting)
	}
	s.process, err = process.Start(process.Options{
		Path: filepath.Join(bin, "postgres"),
		Args: args,
		Env:  environment(), Dir: "/", LogFile: logFile(opts.Dir), User: account,
		// Fast shutdown: it ends the sessions of clients rather than wait for them.
		StopSignal: syscall.SIGINT,
	})
	if err != nil {
		return err
	}
	ready := func(ctx context.Context) error { return s.isReady(ctx, data) }
	if err := s.process.WaitReady(ctx, ready); err != nil {
		return errors.Join(err, s.process.Stop())
	}
	return nil
}

// isReady asks whether it is our server that answers on the port.
func (s *Server) isReady(ctx context.Context, data string) error {
	return s.admin(ctx, func(conn *pgx.Conn) error {
		var got string
		if err := conn.QueryRow(ctx, "SHOW data_directory").Scan(&got); err != nil {
			return err
		}
		if got != data {
			return fmt.Errorf("another Postgres, of %s, listens on port %d", got, s.Port)
		}
		return nil
	})
}

// admin calls f with a connection of the superuser.
func (s *Server) admin(ctx context.Context, f func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, s.URL)
	if err != nil {
		return err
	}
	return errors.Join(f(conn), conn.Close(ctx))
}

// PID is the process of the server, whose children have the sessions.
func (s *Server) PID() int { return s.process.PID() }

// Stop ends the server and the sessions of its clients, and waits until it has
// ended.
func (s *Server) Stop() error {
	return errors.Join(s.process.Stop(), s.removeTempDir())
}

// Crash ends the server at once, in the middle of whatever its clients do; a
// server started in the same Dir recovers first. Stop is still to be called.
func (s *Server) Crash() error {
	// SIGQUIT is Postgres' own word for it. After a SIGKILL its children would
	// linger and keep the next server from starting.
	if err := s.process.Signal(syscall.SIGQUIT); err != nil {
		return err
	}
	<-s.process.Done()
	return nil
}

func (s *Server) removeTempDir() error {
	if s.tempDir == "" {
		return nil
	}
	return os.RemoveAll(s.tempDir)
}

// withUserAndDatabase is the DSN with another login, or another database, or
// both; empty keeps what it has.
func withUserAndDatabase(dsn, login, database string) (string, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return "", fmt.Errorf("DSN: %w", err)
	}
	if login != "" {
		u.User = url.User(login)
	}
	if database != "" {
		u.Path = "/" + database
	}
	return u.String(), nil
}
