// Command manager is Bursar's control plane: it reconciles TenantBudgets, RateLimitPolicies, BudgetGrants,
// ModelProviders, APIKeys, IdentityProviders and Memberships into what the enforcers run.
//
// It takes no part in any call: when it is away, the enforcers go on with the configuration that they have.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	_ "time/tzdata" // time zones of tenants, wherever this runs

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/bursar-dev/bursar/api/postgresclient"
	"github.com/bursar-dev/bursar/api/redisclient"
	"github.com/bursar-dev/bursar/api/tracing"
	"github.com/bursar-dev/bursar/controllers/setup"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// databaseConns is enough for the budgets that are reconciled at once, which need Postgres only some of the
// time, for probes, and for what the leader does.
const databaseConns = 16

func main() {
	collectEarly()
	var level slog.LevelVar
	log := newLogger(os.Stderr, &level)
	ctrl.SetLogger(logr.FromSlogHandler(log.Handler()))
	klog.SetSlogLogger(log)
	redisclient.LogTo(log)
	options, err := parseOptions(os.Args[1:], os.Getenv)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "manager:", err)
		os.Exit(2)
	}
	level.Set(options.logLevel)
	if err := run(ctrl.SetupSignalHandler(), options, log); err != nil {
		log.Error("Manager failed", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, options options, log *slog.Logger) error {
	traces, err := tracing.Start("bursar-manager", os.Getenv, log)
	if err != nil {
		return err
	}
	defer traces.Stop()
	traces.UseEverywhere()
	redisClient, err := redisclient.Open(options.redisURL)
	if err != nil {
		return err
	}
	defer func() { _ = redisClient.Close() }()
	limiterstore.CountFailures(redisClient)
	database, err := postgresclient.Open(ctx, options.databaseURL, databaseConns)
	if err != nil {
		return err
	}
	defer database.Close()
	cluster, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	mgr, err := setup.NewManager(ctx, cluster, setup.Options{
		Redis:                   redisClient,
		Database:                database,
		OwnerDSN:                options.ownerDatabaseURL,
		Alerts:                  options.alerts,
		LedgerMonths:            options.ledgerMonths,
		AuditPause:              options.auditPause,
		Metrics:                 options.metrics(),
		HealthAddress:           options.healthAddress,
		Webhooks:                options.webhooks(),
		LeaderElection:          options.leaderElect,
		LeaderElectionNamespace: options.leaderElectNamespace,
		Namespace:               options.namespace(),
		Clock:                   clock.RealClock{},
		Logger:                  ctrl.Log,
	})
	if err != nil {
		return err
	}
	return mgr.Start(ctx)
}
