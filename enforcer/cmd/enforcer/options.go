package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/bursar-dev/bursar/api/dsn"
	"github.com/bursar-dev/bursar/api/version"
	"github.com/bursar-dev/bursar/enforcer/idempotency"
	"github.com/bursar-dev/bursar/enforcer/proxy"
)

// options are what an enforcer is told when it starts.
type options struct {
	listenAddress, healthAddress string
	// redisURL and databaseURL may hold passwords and must not be logged.
	redisURL, databaseURL string
	credentialsDir        string
	// shutdownDelay comes before shutdownGrace.
	shutdownDelay, shutdownGrace time.Duration
	drainTimeout                 time.Duration
	maxRequestBytes              int64
	// requestMemoryBytes is 0 for the default part of the memory limit.
	requestMemoryBytes int64
	answerCacheBytes   int64
	idempotencyWindow  time.Duration
	replayCacheBytes   int64
	corsAllowedOrigins []string
	logLevel           slog.Level
	// check is the URL of an enforcer to check instead of running one; empty runs one.
	check string
	// settleGrace and flushGrace have no flags; tests shorten them.
	settleGrace, flushGrace time.Duration
}

// The environment variables with secrets, which have no place on a command line.
const (
	redisVariable    = "BURSAR_REDIS_URL"
	databaseVariable = "BURSAR_DATABASE_URL"
)

const usage = `Usage: enforcer [flags]

Admits or refuses model calls before they are made, passes admitted ones to their
providers, and settles them.

Environment:
  BURSAR_REDIS_URL      URL of Redis, such as "redis://:password@host:6379/0";
                        rediss:// for TLS; add ?master_name=... for Sentinel,
                        or ?addr=host:port per further node for Cluster
  BURSAR_DATABASE_URL   URL of Postgres, for a member of role bursar_enforcer, such
                        as "postgres://user:password@host:5432/bursar?sslmode=verify-full"

Flags:
`

func parseOptions(args []string, getenv func(string) string) (options, error) {
	o := options{settleGrace: settleGrace, flushGrace: flushGrace}
	flags := pflag.NewFlagSet("enforcer", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() { fmt.Fprint(os.Stdout, usage, flags.FlagUsages()) }
	flags.StringVar(&o.listenAddress, "listen-address", ":8080", "address to serve calls on")
	flags.StringVar(&o.healthAddress, "health-address", ":8081", "address to serve /healthz, /readyz and /metrics on")
	flags.StringVar(&o.redisURL, "redis-url", "", "URL of Redis, if it contains no password; otherwise use "+redisVariable)
	flags.StringVar(&o.credentialsDir, "provider-credentials-dir", "/etc/bursar/providers", "directory with the providers' API keys, one per file")
	flags.DurationVar(&o.shutdownDelay, "shutdown-delay", 0, "how long to keep serving calls after SIGTERM, while not ready; each answer has its client close the connection, and a Service needs some seconds to send calls elsewhere")
	flags.DurationVar(&o.shutdownGrace, "shutdown-grace", 2*time.Minute, "how long answers in progress may then take to finish; settling their calls may take 30s more")
	flags.DurationVar(&o.drainTimeout, "drain-timeout", time.Minute, "how long to keep reading an answer after its client has disconnected, where it is read to the end to learn its cost")
	flags.Int64Var(&o.maxRequestBytes, "max-request-bytes", 32<<20, "maximum size of a request body")
	flags.Int64Var(&o.requestMemoryBytes, "request-memory-bytes", 0, "maximum memory for the bodies of all requests in progress until their providers answer; one tenant gets at most half of it, one API key a third, and no body may be larger than that; 0 is a quarter of the memory limit (GOMEMLIMIT, or 90% of the container's), or 128 MiB without one")
	flags.Int64Var(&o.answerCacheBytes, "answer-cache-bytes", 64<<20, "maximum memory for the answers of the fallback Cache; 0 disables it")
	flags.DurationVar(&o.idempotencyWindow, "idempotency-window", time.Hour, "how long an Idempotency-Key is remembered, 1s to 24h; each takes about 400 bytes in Redis for that time")
	flags.Int64Var(&o.replayCacheBytes, "replay-cache-bytes", 64<<20, "maximum memory for the answers replayed to repeats of an Idempotency-Key; 0 disables replay")
	flags.StringSliceVar(&o.corsAllowedOrigins, "cors-allowed-origins", nil, "origins whose web pages may call, such as https://app.example.com, separated by commas; none by default, and no wildcard")
	flags.TextVar(&o.logLevel, "log-level", slog.LevelInfo, "minimum `level` to log: debug, info, warn or error")
	flags.StringVar(&o.check, "check", "", "check that an enforcer answers at this URL, such as http://bursar-enforcer.bursar-system, with a request that costs nothing, and exit")
	printVersion := flags.Bool("version", false, "print the version and exit")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if *printVersion {
		fmt.Println(version.Line("enforcer"))
		return options{}, pflag.ErrHelp // answered, as --help is
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.check != "" {
		return o, nil
	}
	for i, origin := range o.corsAllowedOrigins {
		allowed, err := proxy.ParseOrigin(origin)
		if err != nil {
			return options{}, fmt.Errorf("--cors-allowed-origins: %w", err)
		}
		o.corsAllowedOrigins[i] = allowed
	}
	o.databaseURL = getenv(databaseVariable)
	if o.redisURL == "" {
		o.redisURL = getenv(redisVariable)
	} else if dsn.HasPassword(o.redisURL) {
		return options{}, errors.New("--redis-url contains a password, which every user of the machine can read: use " + redisVariable)
	}
	return o, o.validate()
}

func (o options) validate() error {
	switch {
	case o.redisURL == "":
		return errors.New("no Redis URL: set --redis-url or " + redisVariable)
	case o.databaseURL == "":
		return errors.New("no Postgres URL: set " + databaseVariable)
	case o.maxRequestBytes < 1:
		return errors.New("--max-request-bytes must be at least 1")
	case o.requestMemoryBytes < 0:
		return errors.New("--request-memory-bytes must not be negative")
	case o.answerCacheBytes < 0 || o.replayCacheBytes < 0:
		return errors.New("--answer-cache-bytes and --replay-cache-bytes must not be negative")
	case o.idempotencyWindow < time.Second || o.idempotencyWindow > idempotency.MaxWindow:
		return errors.New("--idempotency-window must be between 1s and 24h")
	case o.drainTimeout < 0 || o.shutdownDelay < 0 || o.shutdownGrace < 0:
		return errors.New("--drain-timeout, --shutdown-delay and --shutdown-grace must not be negative")
	}
	return nil
}
