// Command enforcer is Bursar's data plane: it admits or refuses every model call
// before it is made, passes admitted calls to their providers, and settles them.
//
// It needs Redis and Postgres, and nothing of Kubernetes. SIGTERM lets answers
// that are under way finish; a second one does not.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // time zones of tenants, wherever this runs

	"github.com/spf13/pflag"

	"github.com/bursar-dev/bursar/api/redisclient"
)

func main() {
	// What net/http writes to the standard log quotes what providers send.
	stdlog.SetOutput(io.Discard)
	var level slog.LevelVar
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: &level}))
	redisclient.LogTo(log)
	options, err := parseOptions(os.Args[1:], os.Getenv)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "enforcer:", err)
		os.Exit(2)
	}
	level.Set(options.logLevel)
	if options.check != "" {
		if err := check(context.Background(), options.check); err != nil {
			fmt.Fprintln(os.Stderr, "enforcer:", err)
			os.Exit(1)
		}
		fmt.Println("an enforcer answers at", options.check)
		return
	}
	if err := run(options, log); err != nil {
		log.Error("enforcer failed", "error", err)
		os.Exit(1)
	}
}

func run(options options, log *slog.Logger) error {
	limit := limitMemory(os.DirFS("/sys/fs/cgroup"))
	leaveHeap(limit / heapFloorPart)
	if options.requestMemoryBytes == 0 {
		options.requestMemoryBytes = limit / requestMemoryPart
	}
	log.Info("memory that may be used, in bytes", "limit", limit, "requests", options.requestMemoryBytes)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop) // the next signal ends the process
	e, err := newEnforcer(options, log)
	if err != nil {
		return err
	}
	return e.run(ctx)
}
