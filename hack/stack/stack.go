package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bursar-dev/bursar/hack/fakeprovider"
	"github.com/bursar-dev/bursar/hack/parts/kubernetes"
	"github.com/bursar-dev/bursar/hack/parts/postgres"
	"github.com/bursar-dev/bursar/hack/parts/process"
	"github.com/bursar-dev/bursar/hack/parts/receivers"
	"github.com/bursar-dev/bursar/hack/parts/redis"
)

// ProviderKey is the API key that the fake provider requires. It is no secret.
const ProviderKey = "fake-provider-key"

// DatabasePassword is in every DSN, although the server trusts this machine and does not ask
// for it: tests look for it in logs and stores, where no password may be.
const DatabasePassword = "stack-database-password"

// SampleKeyPrefix and a user's name make the API key of a user of config/samples.
const SampleKeyPrefix = "bursar-sample-"

// DefaultDir is the directory that the environment variable DEV_DIR names, or else .dev.
func DefaultDir() string { return cmp.Or(os.Getenv("DEV_DIR"), ".dev") }

// Options say how the stack is run.
type Options struct {
	// Dir is where logs, data and the kubeconfig are kept.
	Dir string
	// Enforcers is how many enforcers run.
	Enforcers int
	// Programs is the directory of the programs with which it begins: bin/ by default. If it
	// is set, these programs make the ledger's schema.
	Programs string
	// PgBouncer is a program of PgBouncer, to run in transaction mode between Postgres and all
	// logins except the owner; empty for none.
	PgBouncer string
	// RedisClock gives Redis a clock that SetRedisClock sets. It needs a C compiler.
	RedisClock bool
	// AsInstalled makes the programs log and audit as they do by default, and Redis keep an
	// append-only file, so that what they need can be measured. Otherwise they log and audit as
	// tests need it, and a Redis that ends forgets everything.
	AsInstalled bool
	// Progress gets a line for each step.
	Progress io.Writer
}

// Stack is a running Bursar.
type Stack struct {
	// Kubeconfig is the path of the administrator's kubeconfig.
	Kubeconfig string
	// Managers are all managers that were started, including those that have ended since.
	Managers []*Manager
	// Enforcers are the enforcers that run from the start, and EnforcerURLs their base URLs.
	EnforcerURLs []string
	Enforcers    []Enforcer
	// Provider is the fake model provider, at ProviderURL.
	Provider    *fakeprovider.Server
	ProviderURL string
	// Receivers are receivers of alerts.
	Receivers *receivers.Receivers
	// SignIn is where people sign in; nil before StartSignIn.
	SignIn *SignIn
	// RedisURL is where the limiter's state is.
	RedisURL string
	// DatabaseURL is the superuser's DSN of the ledger's database.
	DatabaseURL string
	// ReaderURL is the DSN of a login that may read the ledger, such as users of kubectl
	// budget have.
	ReaderURL string
	// Kubectl is the path of a kubectl that fits.
	Kubectl string
	// Programs is the directory of the programs that are started from now on.
	Programs string

	opts     Options
	root     string
	api      *kubernetes.Server
	redis    *redis.Server
	postgres *postgres.Server

	// ConsoleURL is where the console is; empty before StartConsole.
	ConsoleURL string

	managerKubeconfig       string
	managerDSN, enforcerDSN string
	// webhookAddress is where the API server calls the webhooks.
	webhookAddress string
	stopsMu        sync.Mutex
	stops          []func() error
}

// Start starts everything and waits until it works, with nothing configured yet. If
// it fails, it stops what it has started.
func Start(ctx context.Context, opts Options) (*Stack, error) {
	s := &Stack{opts: opts}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Stack) start(ctx context.Context) (err error) {
	if s.root, err = kubernetes.Root(); err != nil {
		return err
	}
	s.Programs = cmp.Or(s.opts.Programs, s.Built())
	if s.opts.Dir, err = filepath.Abs(s.opts.Dir); err != nil {
		return err
	}
	if err := os.MkdirAll(s.opts.Dir, 0o755); err != nil {
		return err
	}
	if err := s.lock(); err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"etcd, kube-apiserver, Redis and Postgres", s.startParts},
		{"the model provider (a fake that keeps its own bill)", s.startProvider},
		{"a mail server and a receiver of webhooks", s.startReceivers},
		{"config/crd, config/namespace, config/rbac and config/webhook", s.applyResources},
		{"the manager", s.startManager},
		{fmt.Sprintf("%d enforcers", s.opts.Enforcers), s.startEnforcers},
	} {
		begin := time.Now()
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		s.say("  up: %s (%.1f s)", step.name, time.Since(begin).Seconds())
	}
	return nil
}

// Built is the directory of the programs that `make build` makes.
func (s *Stack) Built() string { return filepath.Join(s.root, "bin") }

func (s *Stack) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.opts.Progress, format+"\n", args...)
}

// onStop remembers how to stop what was started; the last started is stopped first.
func (s *Stack) onStop(stop func() error) {
	s.stopsMu.Lock()
	defer s.stopsMu.Unlock()
	s.stops = append(s.stops, stop)
}

// Stop ends everything, in the opposite order of its start.
func (s *Stack) Stop() error {
	var all error
	for len(s.stops) > 0 {
		last := len(s.stops) - 1
		all = errors.Join(all, s.stops[last]())
		s.stops = s.stops[:last]
	}
	return all
}

// Logs are the logs of Bursar's programs so far, by name, including those that have ended.
func (s *Stack) Logs() (map[string][]byte, error) {
	files, err := filepath.Glob(s.dir("*.log"))
	if err != nil {
		return nil, err
	}
	logs := map[string][]byte{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".log")
		if logs[name], err = os.ReadFile(file); err != nil {
			return nil, err
		}
	}
	return logs, nil
}

func (s *Stack) dir(part string) string { return filepath.Join(s.opts.Dir, part) }

// startParts starts the servers that Bursar needs, side by side.
func (s *Stack) startParts(ctx context.Context) error {
	parts, starting := errgroup.WithContext(ctx)
	parts.Go(func() (err error) {
		s.redis, err = redis.Start(starting, redis.Options{Dir: s.dir("redis"), OwnClock: s.opts.RedisClock, AppendOnly: s.opts.AsInstalled})
		return err
	})
	parts.Go(func() (err error) {
		s.postgres, err = postgres.Start(starting, postgres.Options{Dir: s.dir("postgres")})
		return err
	})
	parts.Go(func() (err error) {
		s.api, err = kubernetes.Start(starting, kubernetes.Options{Dir: s.dir("kubernetes")})
		return err
	})
	err := parts.Wait()
	if s.redis != nil {
		s.onStop(s.redis.Stop)
		s.RedisURL = s.redis.URL
	}
	if s.postgres != nil {
		s.onStop(s.postgres.Stop)
	}
	if s.api != nil {
		s.onStop(s.api.Stop)
		s.Kubectl = s.api.Kubectl
	}
	if err != nil {
		return err
	}
	s.Kubeconfig = s.dir("kubeconfig")
	if err := s.api.WriteKubeconfig(s.Kubeconfig, kubernetes.Administrator); err != nil {
		return err
	}
	return s.prepareDatabase(ctx)
}

func (s *Stack) startProvider(context.Context) error {
	provider, err := fakeprovider.Start("127.0.0.1:0", fakeprovider.Options{Key: ProviderKey})
	if err != nil {
		return err
	}
	s.Provider, s.ProviderURL = provider, provider.URL
	s.onStop(provider.Stop)
	credentials := s.dir("credentials")
	if err := os.MkdirAll(credentials, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(credentials, "openai"), []byte(ProviderKey+"\n"), 0o600)
}

func (s *Stack) startReceivers(context.Context) (err error) {
	if s.Receivers, err = receivers.Start(); err != nil {
		return err
	}
	s.onStop(s.Receivers.Stop)
	return os.WriteFile(s.dir("authority.pem"), s.Receivers.Authority, 0o644)
}

func (s *Stack) applyResources(ctx context.Context) error {
	for _, args := range [][]string{
		{"apply", "-k", filepath.Join(s.root, "config", "crd")},
		{"apply", "-k", filepath.Join(s.root, "config", "namespace")},
		{"apply", "-k", filepath.Join(s.root, "config", "rbac")},
		{"apply", "-f", filepath.Join(s.root, "config", "manager", "flow_schema.yaml")},
	} {
		if _, err := s.RunKubectl(ctx, args...); err != nil {
			return err
		}
	}
	port, err := process.FreePort()
	if err != nil {
		return err
	}
	s.webhookAddress = loopback(port)
	webhooks, err := kubernetes.Webhooks("https://" + s.webhookAddress)
	if err != nil {
		return err
	}
	return s.Apply(ctx, webhooks)
}

// StopRedis ends Redis, at once if it is to crash. What it has in memory is lost,
// except what SAVE has written before.
func (s *Stack) StopRedis(crash bool) error {
	if crash {
		s.redis.Crash()
	}
	return s.redis.Stop()
}

// StartRedis starts Redis again where it was.
func (s *Stack) StartRedis(ctx context.Context) error {
	again, err := redis.Start(ctx, redis.Options{Dir: s.dir("redis"), Port: s.redis.Port, OwnClock: s.opts.RedisClock, AppendOnly: s.opts.AsInstalled})
	if err != nil {
		return err
	}
	*s.redis = *again // which the stack stops
	return nil
}

// SetRedisClock makes the clock of Redis differ from that of this machine: ahead of it, or
// behind if negative. REQUIRES: Options.RedisClock.
func (s *Stack) SetRedisClock(ahead time.Duration) error { return s.redis.SetClock(ahead) }

// PostgresPID is the first process of Postgres.
func (s *Stack) PostgresPID() int { return s.postgres.PID() }

// CrashPostgres ends Postgres at once.
func (s *Stack) CrashPostgres() error { return errors.Join(s.postgres.Crash(), s.postgres.Stop()) }

// StartPostgres starts Postgres again where it was.
func (s *Stack) StartPostgres(ctx context.Context) error {
	again, err := postgres.Start(ctx, postgres.Options{Dir: s.dir("postgres"), Port: s.postgres.Port})
	if err != nil {
		return err
	}
	*s.postgres = *again // which the stack stops
	return nil
}

// BackUpPostgres copies the data of Postgres, which ends and starts again for that.
func (s *Stack) BackUpPostgres(ctx context.Context) error {
	return s.withoutPostgres(ctx, func() error { return copied(ctx, s.dir("postgres"), s.dir("postgres-backup")) })
}

// RestorePostgres replaces the data of Postgres by the copy. Postgres ends for that, and starts again.
func (s *Stack) RestorePostgres(ctx context.Context) error {
	return s.withoutPostgres(ctx, func() error { return copied(ctx, s.dir("postgres-backup"), s.dir("postgres")) })
}

func (s *Stack) withoutPostgres(ctx context.Context, do func() error) error {
	return errors.Join(s.CrashPostgres(), do(), s.StartPostgres(ctx))
}

// copied replaces a directory by a copy of another, with the owners of its files.
func copied(ctx context.Context, from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy %s: %w: %s", from, err, out)
	}
	return nil
}

// PauseRedis makes Redis hang, until ResumeRedis.
func (s *Stack) PauseRedis() error { return s.redis.Pause() }

// ResumeRedis lets Redis continue.
func (s *Stack) ResumeRedis() error { return s.redis.Resume() }

// PauseAPIServer makes the Kubernetes API server hang, until ResumeAPIServer.
func (s *Stack) PauseAPIServer() error { return s.api.Pause() }

// ResumeAPIServer lets the Kubernetes API server continue.
func (s *Stack) ResumeAPIServer() error { return s.api.Resume() }

// RunKubectl runs kubectl as the administrator and returns what it printed.
func (s *Stack) RunKubectl(ctx context.Context, args ...string) (string, error) {
	return s.kubectl(ctx, "", args...)
}

// Apply applies YAML as the administrator.
func (s *Stack) Apply(ctx context.Context, yaml string) error {
	_, err := s.kubectl(ctx, yaml, "apply", "-f", "-")
	return err
}

func (s *Stack) kubectl(ctx context.Context, input string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.Kubectl, append([]string{"--kubeconfig", s.Kubeconfig}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}
