// Command console serves the API of usage, budgets and alerts: what was spent, what is left,
// and why a call was refused. Everybody sees what is theirs.
//
// It reads the ledger as a member of bursar_reader, and the cluster through the Kubernetes
// API. It takes no part in any call.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // time zones of tenants, wherever this runs

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

func main() {
	var level slog.LevelVar
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: &level}))
	ctrl.SetLogger(logr.FromSlogHandler(log.Handler()))
	klog.SetSlogLogger(log)
	options, err := parseOptions(os.Args[1:], os.Getenv)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "console:", err)
		os.Exit(2)
	}
	level.Set(options.logLevel)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop) // the next signal ends the process
	if err := run(ctx, options, log); err != nil {
		log.Error("Console failed", "error", err)
		os.Exit(1)
	}
}
