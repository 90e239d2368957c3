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
	"time"

	"github.com/spf13/pflag"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/bursar-dev/bursar/api/dsn"
	"github.com/bursar-dev/bursar/api/version"
	"github.com/bursar-dev/bursar/controllers/leader/alert"
	"github.com/bursar-dev/bursar/controllers/leader/audit"
	"github.com/bursar-dev/bursar/controllers/setup"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

// options are what a manager is told when it starts.
type options struct {
	// The URLs may hold passwords: they must not be logged.
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
	auditPause           time.Duration
	logLevel             slog.Level
}

// The environment variables with secrets, which do not belong on a command line.
const (
	redisVariable         = "BURSAR_REDIS_URL"
	databaseVariable      = "BURSAR_DATABASE_URL"
	ownerDatabaseVariable = "BURSAR_OWNER_DATABASE_URL"
	mailServerVariable    = "BURSAR_SMTP_URL"
)

const usage = `Usage: manager [flags]

Compiles Bursar's resources into the configuration that enforcers run, and reports in
their status how far it has been rolled out.

Environment:
  BURSAR_REDIS_URL           URL of Redis, such as "redis://:password@host:6379/0";
                             rediss:// for TLS; add ?master_name=... for Sentinel,
                             or ?addr=host:port for each further node of a Cluster
  BURSAR_DATABASE_URL        URL of Postgres, for a member of role bursar_manager,
                             such as "postgres://user:password@host:5432/bursar?sslmode=verify-full"
  BURSAR_OWNER_DATABASE_URL  the same, for a login that can become bursar_owner, to
                             migrate the schema; if unset, migrate it by other means
  BURSAR_SMTP_URL            URL of the mail server for alert e-mail, such as
                             "smtp://user:password@host:587" (STARTTLS) or
                             "smtps://user:password@host:465" (TLS); if unset, no
                             e-mail is sent

Flags:
`

func parseOptions(args []string, getenv func(string) string) (o options, err error) {
	flags := pflag.NewFlagSet("manager", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() { fmt.Fprint(os.Stdout, usage, flags.FlagUsages()) }
	// --kubeconfig is a flag of controller-runtime, which reads it when it connects.
	kubeconfig := flag.NewFlagSet("", flag.ContinueOnError)
	config.RegisterFlags(kubeconfig)
	flags.AddGoFlagSet(kubeconfig)
	flags.StringVar(&o.redisURL, "redis-url", "", "Redis URL without a password; with one, use "+redisVariable)
	flags.BoolVar(&o.leaderElect, "leader-elect", true, "lead only while holding the Lease bursar-manager, so that several managers can run")
	flags.StringVar(&o.leaderElectNamespace, "leader-elect-namespace", "", "namespace of the Lease and of the webhooks' certificates (default: the pod's)")
	flags.StringVar(&o.healthAddress, "health-probe-bind-address", ":8081", `address of /healthz and /readyz; "0" disables them`)
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", ":8443", `address of /metrics, served with TLS to authorized clients; "0" disables it`)
	flags.BoolVar(&o.metricsPlain, "metrics-plain", false, "serve metrics without TLS and authorization; requires a loopback address")
	flags.StringVar(&o.webhookAddress, "webhook-bind-address", ":9443", `address of the webhooks, served with TLS; "0" disables them`)
	flags.StringVar(&o.webhookCertDir, "webhook-cert-dir", "", "directory with the webhooks' tls.crt and tls.key, such as cert-manager's (default: the manager creates its own)")
	var told alertFlags
	told.register(flags)
	flags.IntVar(&o.ledgerMonths, "ledger-months", 0, fmt.Sprintf(
		"months before the current one to keep in the ledger, at least %d; older ones are detached and stay as tables. 0 keeps all", budgetstore.LeastMonths))
	flags.DurationVar(&o.auditPause, "audit-pause", audit.DefaultPause, "longest pause between the audits of two tenants: few tenants are audited one after another, with this pause; many, once in ten minutes")
	flags.TextVar(&o.logLevel, "log-level", slog.LevelInfo, "minimum `level` to log: debug, info, warn or error")
	printVersion := flags.Bool("version", false, "print the version and exit")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if *printVersion {
		fmt.Println(version.Line("manager"))
		return options{}, pflag.ErrHelp // answered, as --help is
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if dsn.HasPassword(o.redisURL) {
		return options{}, errors.New("--redis-url contains a password, which every user of the machine can read: use " + redisVariable)
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
		return errors.New("no Redis URL: set " + redisVariable + " or --redis-url")
	case o.databaseURL == "":
		return errors.New("no Postgres URL: set " + databaseVariable)
	case o.metricsPlain && !isLoopback(o.metricsAddress):
		return fmt.Errorf("--metrics-plain requires a loopback address: --metrics-bind-address is %q", o.metricsAddress)
	case o.auditPause <= 0:
		return fmt.Errorf("--audit-pause is %s: use more than 0", o.auditPause)
	case o.ledgerMonths != 0 && o.ledgerMonths < budgetstore.LeastMonths:
		return fmt.Errorf("--ledger-months is %d: use %d or more, which yearly limits need, or 0 to keep all", o.ledgerMonths, budgetstore.LeastMonths)
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

// ownNamespace is the file with the namespace of the pod, if the manager runs in one.
const ownNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// webhooks says how webhooks are served; nil if they are not.
func (o options) webhooks() *setup.WebhookOptions {
	if o.webhookAddress == "0" {
		return nil
	}
	return &setup.WebhookOptions{
		Address: o.webhookAddress, CertificateDir: o.webhookCertDir, Namespace: cmp.Or(o.namespace(), defaultNamespace),
	}
}

// namespace is the manager's namespace; empty if nothing says which it is.
func (o options) namespace() string {
	if content, err := os.ReadFile(ownNamespace); err == nil && o.leaderElectNamespace == "" {
		return strings.TrimSpace(string(content))
	}
	return o.leaderElectNamespace
}

// metrics says how metrics are served: by TLS, to clients whose token may get them, unless
// --metrics-plain is set for an address of this machine.
func (o options) metrics() metricsserver.Options {
	serve := metricsserver.Options{BindAddress: o.metricsAddress}
	if !o.metricsPlain {
		serve.SecureServing = true
		serve.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	return serve
}
