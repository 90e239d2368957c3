package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/bursar-dev/bursar/api/identity/identify"
	"github.com/bursar-dev/bursar/api/postgresclient"
	"github.com/bursar-dev/bursar/api/tracing"
	"github.com/bursar-dev/bursar/api/version"
	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/console/cluster"
	"github.com/bursar-dev/bursar/console/health"
	"github.com/bursar-dev/bursar/console/marks"
	"github.com/bursar-dev/bursar/console/pages"
	"github.com/bursar-dev/bursar/console/requests"
	"github.com/bursar-dev/bursar/console/said"
	"github.com/bursar-dev/bursar/console/server"
	"github.com/bursar-dev/bursar/console/signin"
	"github.com/bursar-dev/bursar/history"
)

// run runs a console until the context ends.
func run(ctx context.Context, options options, log *slog.Logger) error {
	traces, err := tracing.Start("bursar-console", os.Getenv, log)
	if err != nil {
		return err
	}
	defer traces.Stop()
	database, err := postgresclient.Open(ctx, options.databaseURL, options.databaseConns)
	if err != nil {
		return err
	}
	defer database.Close()
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	watched, err := cluster.New(config, log)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	callers := auth.New(auth.Options{
		Identifier: identify.New(identify.Options{Config: watched, Metrics: identify.NewMetrics("console", registry)}),
		Tenants:    watched, AdminTiers: options.adminTiers, PlatformAdmins: options.platformAdmins,
	})
	routes, err := api.New(api.Options{
		Auth: callers, Cluster: watched, Ledger: history.NewReader(database), Marks: marks.New(database), Requests: requests.New(database), Locks: said.NewLocks(database), Health: health.New(database), Log: log, Version: version.Get().Version,
	})
	if err != nil {
		return err
	}
	shown, err := pages.New(pages.Options{API: routes, Log: log, Ending: ctx.Done()})
	if err != nil {
		return err
	}
	signIn, err := newSignIn(options, callers, watched, signin.EndedIn(database, log), log)
	if err != nil {
		return err
	}
	serving, err := server.New(server.Options{
		Address: options.listenAddress, HealthAddress: options.healthAddress, API: routes, Pages: shown, SignIn: signIn, Ready: ready(watched),
		Registry: registry, Tracer: traces.Tracer(), Log: log, ShutdownGrace: options.shutdownGrace,
	})
	if err != nil {
		return err
	}
	all, running := errgroup.WithContext(ctx)
	all.Go(func() error { return watched.Start(running) })
	all.Go(func() error { return serving.Run(running) })
	return all.Wait()
}

// newSignIn makes the SignIn of the console.
func newSignIn(options options, callers *auth.Auth, watched *cluster.Cluster, ended signin.Ended, log *slog.Logger) (*signin.SignIn, error) {
	keys := signin.RandomKeys()
	if options.sessionKeys != "" {
		var err error
		if keys, err = signin.ReadKeys(options.sessionKeys, log); err != nil {
			return nil, fmt.Errorf("--session-keys-file: %w", err)
		}
	} else if options.publicURL != nil || len(options.tokenCookies) > 0 {
		log.Warn("No --session-keys-file: sessions and forms are valid only in this process, and end with it")
	}
	return signin.New(signin.Options{
		Auth: callers, Issuers: watched, PublicURL: options.publicURL, Keys: keys, Ended: ended, SecretsDir: options.clientSecrets,
		TokenCookies: options.tokenCookies, TrustedProxies: options.trustedProxies, Log: log,
	})
}

var errNotComplete = errors.New("the Kubernetes API has not yet said who may ask")

// ready returns nil once callers are known. It still does while Postgres is unreachable: as a
// rule, all consoles lose it together, and a 503 says more than a Service without endpoints.
func ready(watched *cluster.Cluster) func() error {
	return func() error {
		if !watched.Complete() {
			return errNotComplete
		}
		return nil
	}
}
