package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/bursar-dev/bursar/api/dsn"
	"github.com/bursar-dev/bursar/controllers/leader/alert"
	"github.com/bursar-dev/bursar/controllers/setup"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

// options are what a manager is told when it starts.
type options struct {
	// The URLs may hold passwords: they are not to be logged.
	redisURL, databaseURL, ownerDatabaseURL string

	leaderElect          bool
	leaderElectNamespace string
	healthAddress        string
	metricsAddress       string
	metricsPlain         bool
	webhookAddress       string
	webhookCertDir       string
	alerts               alert.Options
	ledgerMonths         int
	logLevel             slog.Level
}

// The environment variables with secrets, which have no place on a command line.
const (
	redisVariable         = "BURSAR_REDIS_URL"
	databaseVariable      = "BURSAR_DATABASE_URL"
	ownerDatabaseVariable = "BURSAR_OWNER_DATABASE_URL"
	mailServerVariable    = "BURSAR_SMTP_URL"
)

const usage = `Usage: manager [flags]

Reconciles Bursar's resources into what the enforcers run, and says in their status
how far that has got.

Environment:
  BURSAR_REDIS_URL           where Redis is, such as "redis://:password@host:6379/0";
                             rediss:// for TLS; with ?master_name=... it is a
                             Sentinel's, with ?addr=host:port (for each further node)
                             a Cluster's
  BURSAR_DATABASE_URL        where Postgres is, as a member of role bursar_manager,
                             such as "postgres://user:password@host:5432/bursar"
  BURSAR_OWNER_DATABASE_URL  the same, as a login that can become bursar_owner, to
                             migrate the schema; without it, that is left to others
  BURSAR_SMTP_URL            the mail server for e-mail of alerts, such as
                             "smtp://user:password@host:587" (STARTTLS) or
                             "smtps://user:password@host:465" (TLS); without it, no
                             e-mail is sent

Flags:
`

func parseOptions(args []string, getenv func(string) string) (o options, err error) {
	flags := pflag.NewFlagSet("manager", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() { fmt.Fprint(os.Stdout, usage, flags.FlagUsages()) }
	// --kubeconfig is controller-runtime's, which reads it when it connects.
	kubeconfig := flag.NewFlagSet("", flag.ContinueOnError)
	config.RegisterFlags(kubeconfig)
	flags.AddGoFlagSet(kubeconfig)
	flags.StringVar(&o.redisURL, "redis-url", "", "where Redis is, if its URL has no password; else use "+redisVariable)
	flags.BoolVar(&o.leaderElect, "leader-elect", true, "work only while holding the Lease bursar-manager, so that several managers can run")
	flags.StringVar(&o.leaderElectNamespace, "leader-elect-namespace", "", "namespace of the Lease, and of the webhooks' certificates (default that of the pod)")
	flags.StringVar(&o.healthAddress, "health-probe-bind-address", ":8081", `where /healthz and /readyz are served; "0" for nowhere`)
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", ":8443", `where /metrics is served, with TLS, to who may get it; "0" for nowhere`)
	flags.BoolVar(&o.metricsPlain, "metrics-plain", false, "serve metrics without TLS to everybody; for loopback addresses")
	flags.StringVar(&o.webhookAddress, "webhook-bind-address", ":9443", `where the webhooks are served, with TLS; "0" for nowhere`)
	flags.StringVar(&o.webhookCertDir, "webhook-cert-dir", "", "directory with their tls.crt and tls.key, such as cert-manager's (default they are made in the manager)")
	var told alertFlags
	told.register(flags)
	flags.IntVar(&o.ledgerMonths, "ledger-months", 0, fmt.Sprintf(
		"how many months before the present one stay in the ledger, %d or more; older ones are detached, and stay as tables. 0 keeps all", budgetstore.LeastMonths))
	flags.TextVar(&o.logLevel, "log-level", slog.LevelInfo, "the least that is logged: debug, info, warn or error")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if dsn.HasPassword(o.redisURL) {
		return options{}, errors.New("--redis-url has a password, which everybody on the machine can read there: use " + redisVariable)
	}
	o.redisURL = cmp.Or(o.redisURL, getenv(redisVariable))
	o.databaseURL = getenv(databaseVariable)
	o.ownerDatabaseURL = getenv(ownerDatabaseVariable)
	if o.alerts, err = told.options(getenv(mailServerVariable)); err != nil {
		return options{}, err
	}
	return o, o.validate()
}

func (o options) validate() error {
	switch {
	case o.redisURL == "":
		return errors.New("where is Redis? Set " + redisVariable + " or --redis-url")
	case o.databaseURL == "":
		return errors.New("where is Postgres? Set " + databaseVariable)
	case o.metricsPlain && !isLoopback(o.metricsAddress):
		return fmt.Errorf("--metrics-plain needs a loopback address: --metrics-bind-address is %q", o.metricsAddress)
	case o.ledgerMonths != 0 && o.ledgerMonths < budgetstore.LeastMonths:
		return fmt.Errorf("--ledger-months is %d: the counters of a year need %d or more; 0 keeps all", o.ledgerMonths, budgetstore.LeastMonths)
	}
	return nil
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// defaultNamespace is where config puts the manager.
const defaultNamespace = "bursar-system"

// ownNamespace is a file with the namespace of the pod, where there is one.
const ownNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// webhooks says how webhooks are served; nil for nowhere.
func (o options) webhooks() *setup.WebhookOptions {
	if o.webhookAddress == "0" {
		return nil
	}
	return &setup.WebhookOptions{
		Address: o.webhookAddress, CertificateDir: o.webhookCertDir, Namespace: cmp.Or(o.namespace(), defaultNamespace),
	}
}

// namespace is that of the manager; empty when nobody says so.
func (o options) namespace() string {
	if content, err := os.ReadFile(ownNamespace); err == nil && o.leaderElectNamespace == "" {
		return strings.TrimSpace(string(content))
	}
	return o.leaderElectNamespace
}

// metrics says how metrics are served: to those who show a token of the cluster
// that may get them, unless nobody else can reach the address.
func (o options) metrics() metricsserver.Options {
	serve := metricsserver.Options{BindAddress: o.metricsAddress}
	if !o.metricsPlain {
		serve.SecureServing = true
		serve.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	return serve
}
