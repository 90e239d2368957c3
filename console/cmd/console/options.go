package main

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"time"

	"github.com/spf13/pflag"
	"sigs.k8s.io/controller-runtime/pkg/client/config"

	"github.com/bursar-dev/bursar/api/version"
	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/console/signin"
)

// options are what a console is told when it starts.
type options struct {
	listenAddress, healthAddress string
	// databaseURL may hold a password: it must not be logged.
	databaseURL    string
	databaseConns  int32
	adminTiers     []string
	platformAdmins []auth.PlatformAdmin
	publicURL      *url.URL
	sessionKeys    string
	clientSecrets  string
	tokenCookies   []string
	trustedProxies []netip.Prefix
	shutdownGrace  time.Duration
	logLevel       slog.Level
}

// databaseVariable is the environment variable with the URL, a secret that does not
// belong on a command line.
const databaseVariable = "BURSAR_DATABASE_URL"

const usage = `Usage: console [flags]

Serves pages of usage, budgets and alerts, and their API under /api/ai.

Environment:
  BURSAR_DATABASE_URL  URL of Postgres, for a login that is a member of bursar_reader and bursar_console
                       alone, such as "postgres://user:password@host:5432/bursar"

Flags:
`

func parseOptions(args []string, getenv func(string) string) (o options, err error) {
	flags := pflag.NewFlagSet("console", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() { fmt.Fprint(os.Stdout, usage, flags.FlagUsages()) }
	// --kubeconfig is a flag of controller-runtime, which reads it when it connects.
	kubeconfig := flag.NewFlagSet("", flag.ContinueOnError)
	config.RegisterFlags(kubeconfig)
	flags.AddGoFlagSet(kubeconfig)
	var admins []string
	flags.StringVar(&o.listenAddress, "listen-address", ":8080", "address to serve pages and API on")
	flags.StringVar(&o.healthAddress, "health-address", ":8081", "address to serve /healthz, /readyz and /metrics on")
	flags.StringSliceVar(&admins, "platform-admins", nil, "who administers every tenant: IDENTITYPROVIDER/group/NAME or IDENTITYPROVIDER/subject/NAME, separated by commas; a group counts only where the token itself names it")
	flags.StringSliceVar(&o.adminTiers, "admin-tiers", nil, "tiers whose callers administer their tenant, in addition to members with admin: true, separated by commas")
	var publicURL string
	var proxies []string
	flags.StringVar(&publicURL, "public-url", "", "where browsers find the console, such as https://bursar.example.com: people sign in there, at the IdentityProviders that have a client (default: nobody signs in)")
	flags.StringVar(&o.sessionKeys, "session-keys-file", "", "file with the keys that sessions are sealed with, 32 bytes in base64 on each line: the first seals, all open; read again when it changes (default: a key of this process alone)")
	flags.StringVar(&o.clientSecrets, "client-secrets-dir", "", "directory with the files that spec.client.clientSecretFile of IdentityProviders names")
	flags.StringSliceVar(&o.tokenCookies, "token-cookies", nil, "names of cookies in which another application on this host has its users' tokens, separated by commas")
	flags.StringSliceVar(&proxies, "trusted-proxies", nil, "networks of the proxies before the console, such as 10.0.0.0/8, whose X-Forwarded-For says by which address to bound sign-ins, separated by commas")
	flags.Int32Var(&o.databaseConns, "database-connections", 10, "maximum number of connections to Postgres")
	flags.DurationVar(&o.shutdownGrace, "shutdown-grace", 20*time.Second, "how long requests in progress may take to finish after SIGTERM")
	flags.TextVar(&o.logLevel, "log-level", slog.LevelInfo, "minimum `level` to log: debug, info, warn or error")
	printVersion := flags.Bool("version", false, "print the version and exit")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if *printVersion {
		fmt.Println(version.Line("console"))
		return options{}, pflag.ErrHelp // answered, as --help is
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	for _, text := range admins {
		admin, err := auth.ParsePlatformAdmin(text)
		if err != nil {
			return options{}, fmt.Errorf("--platform-admins: %w", err)
		}
		o.platformAdmins = append(o.platformAdmins, admin)
	}
	if publicURL != "" {
		if o.publicURL, err = signin.ParsePublicURL(publicURL); err != nil {
			return options{}, fmt.Errorf("--public-url: %w", err)
		}
	}
	for _, text := range proxies {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return options{}, fmt.Errorf("--trusted-proxies: %w", err)
		}
		o.trustedProxies = append(o.trustedProxies, network)
	}
	o.databaseURL = getenv(databaseVariable)
	return o, o.validate()
}

func (o options) validate() error {
	switch {
	case o.databaseURL == "":
		return errors.New("no Postgres URL: set " + databaseVariable)
	case o.databaseConns < 1:
		return errors.New("--database-connections must be at least 1")
	case o.shutdownGrace < 0:
		return errors.New("--shutdown-grace must not be negative")
	}
	return nil
}
