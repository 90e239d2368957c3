package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/parts/pgbouncer"
	"github.com/bursar-dev/bursar/hack/parts/process"
	"github.com/bursar-dev/bursar/hack/parts/relay"
)

// prepareDatabase makes the ledger's database, the logins of both planes and a reader's. It
// migrates the database, because that makes the group roles to which the logins belong; the
// leading manager then has nothing to migrate.
func (s *Stack) prepareDatabase(ctx context.Context) (err error) {
	if s.DatabaseURL, err = s.postgres.NewDatabase(ctx); err != nil {
		return err
	}
	if s.DatabaseURL, err = withPassword(s.DatabaseURL); err != nil {
		return err
	}
	if err := s.prepareSchema(ctx); err != nil {
		return err
	}
	for group, dsn := range s.logins() {
		if *dsn, err = s.postgres.NewLogin(ctx, s.DatabaseURL, group); err != nil {
			return err
		}
		if *dsn, err = withPassword(*dsn); err != nil {
			return err
		}
	}
	return s.startPgBouncer(ctx)
}

// logins are the DSNs of the logins with a role, by the role's name.
func (s *Stack) logins() map[string]*string {
	return map[string]*string{"bursar_manager": &s.managerDSN, "bursar_enforcer": &s.enforcerDSN, "bursar_reader": &s.ReaderURL}
}

// startPgBouncer starts a PgBouncer for the logins, if the options name one.
func (s *Stack) startPgBouncer(ctx context.Context) error {
	if s.opts.PgBouncer == "" {
		return nil
	}
	pool, err := pgbouncer.Start(ctx, s.opts.PgBouncer, s.dir("pgbouncer"), s.managerDSN, s.enforcerDSN, s.ReaderURL)
	if err != nil {
		return err
	}
	s.onStop(pool.Stop)
	for _, dsn := range s.logins() {
		if *dsn, err = pool.Through(*dsn); err != nil {
			return err
		}
	}
	return nil
}

// prepareSchema migrates the database, or makes only the roles if the manager has to migrate it.
func (s *Stack) prepareSchema(ctx context.Context) error {
	if s.opts.Programs == "" {
		return budgetstore.Migrate(ctx, s.DatabaseURL)
	}
	bootstrap, err := os.ReadFile(filepath.Join(s.root, "controllers", "stores", "budgetstore", "bootstrap.sql"))
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, s.DatabaseURL)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, string(bootstrap))
	return errors.Join(err, conn.Close(ctx))
}

// withPassword is a DSN with DatabasePassword.
func withPassword(dsn string) (string, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return "", fmt.Errorf("DSN: %w", err)
	}
	u.User = url.UserPassword(u.User.Username(), DatabasePassword)
	return u.String(), nil
}

func (s *Stack) startEnforcers(ctx context.Context) error {
	for i := range s.opts.Enforcers {
		enforcer, err := s.StartEnforcer(ctx, fmt.Sprintf("enforcer-%d", i+1))
		if err != nil {
			return err
		}
		s.EnforcerURLs, s.Enforcers = append(s.EnforcerURLs, enforcer.URL), append(s.Enforcers, enforcer)
	}
	return nil
}

// Enforcer is one running enforcer.
type Enforcer struct {
	*process.Process
	URL string
	// MetricsURL is where its metrics are.
	MetricsURL string
}

// StartEnforcer starts another enforcer, and waits until it is ready. The stack stops it,
// unless the caller does. Its log file has its name.
func (s *Stack) StartEnforcer(ctx context.Context, name string) (Enforcer, error) {
	return s.startEnforcer(ctx, name, s.RedisURL, s.enforcerDSN)
}

// Separable is an enforcer that can be cut off from each of its stores.
type Separable struct {
	Enforcer
	// Redis and Postgres are the ways to the stores.
	Redis, Postgres *relay.Relay
}

// StartSeparable starts another enforcer, as StartEnforcer does.
func (s *Stack) StartSeparable(ctx context.Context, name string) (e Separable, err error) {
	var redisURL, dsn string
	if e.Redis, redisURL, err = relay.StartTo(s.RedisURL); err != nil {
		return e, err
	}
	s.onStop(e.Redis.Stop)
	if e.Postgres, dsn, err = relay.StartTo(s.enforcerDSN); err != nil {
		return e, err
	}
	s.onStop(e.Postgres.Stop)
	e.Enforcer, err = s.startEnforcer(ctx, name, redisURL, dsn)
	return e, err
}

func (s *Stack) startEnforcer(ctx context.Context, name, redisURL, dsn string) (Enforcer, error) {
	listen, err := process.FreePort()
	if err != nil {
		return Enforcer{}, err
	}
	health, err := process.FreePort()
	if err != nil {
		return Enforcer{}, err
	}
	args := []string{
		"--listen-address", loopback(listen),
		"--health-address", loopback(health),
		"--provider-credentials-dir", s.dir("credentials"),
	}
	if !s.opts.AsInstalled {
		args = append(args, "--log-level", "debug")
	}
	p, err := s.startChild(ctx, child{
		name:    name,
		program: "enforcer", directory: s.Programs,
		args: args,
		env: []string{
			"BURSAR_REDIS_URL=" + redisURL,
			"BURSAR_DATABASE_URL=" + dsn,
		},
		ready: "http://" + loopback(health) + "/readyz",
	})
	return Enforcer{
		Process: p, URL: "http://" + loopback(listen), MetricsURL: "http://" + loopback(health) + "/metrics",
	}, err
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// child is one of our own programs, to be run in the stack.
type child struct {
	// name is the name of its log file; program is the binary in directory, name by default.
	name, program, directory string
	args, env                []string
	// ready is the URL that answers 200 when the child works.
	ready string
}

// startChild starts a child, and waits until it is ready. The stack stops it, unless the
// caller does.
func (s *Stack) startChild(ctx context.Context, c child) (*process.Process, error) {
	p, err := s.launch(c)
	if err != nil {
		return nil, err
	}
	s.onStop(p.Stop)
	return p, s.awaitReady(ctx, p, c)
}

func (s *Stack) awaitReady(ctx context.Context, p *process.Process, c child) error {
	return p.WaitReady(ctx, func(ctx context.Context) error { return answersOK(ctx, c.ready) })
}

func (s *Stack) launch(c child) (*process.Process, error) {
	if c.program == "" {
		c.program = c.name
	}
	path := filepath.Join(cmp.Or(c.directory, s.Built()), c.program)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist: run `make build`", path)
	}
	return process.Start(process.Options{
		Name: c.name, Path: path, Args: c.args,
		Env:     append(os.Environ(), c.env...),
		LogFile: s.dir(c.name + ".log"),
	})
}

func answersOK(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}
