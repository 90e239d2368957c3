// Command bench measures the operator with many TenantBudgets, on real parts: how
// long it takes until all are programmed, and then one change among them; what it
// writes to the API server meanwhile, at rest, and while all of them spend; how soon a
// breaker shows; how soon Redis is full again that has lost everything; and what memory,
// processor time and disk all of that takes, and calls through the enforcers.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/bursar-dev/bursar/hack/parts/process"
	"github.com/bursar-dev/bursar/hack/stack"
)

type options struct {
	budgets int
	writers int
	within  time.Duration
	calls   int
	busy    time.Duration
	rest    time.Duration
	changes int
	// requests is how many calls a second are made through the enforcers.
	requests int
}

func main() {
	var o options
	dir := flag.String("dir", stack.DefaultDir(), "directory for logs and data")
	flag.IntVar(&o.budgets, "budgets", 10_000, "number of TenantBudgets, each with a RateLimitPolicy")
	flag.IntVar(&o.writers, "writers", 16, "number of objects that are applied at once; fewer where the API server has few cores to itself")
	flag.DurationVar(&o.within, "within", 20*time.Minute, "time limit for all to be programmed")
	flag.IntVar(&o.calls, "calls", 300, "calls a second, spread over all tenants")
	flag.IntVar(&o.requests, "requests", 100, "calls a second through the enforcers, of ten tenants")
	flag.DurationVar(&o.busy, "busy", time.Minute, "how long the tenants make calls")
	flag.DurationVar(&o.rest, "rest", 30*time.Second, "how long to measure at rest")
	flag.IntVar(&o.changes, "changes", 10, "number of budgets to change, and of breakers to open")
	flag.Parse()
	if o.changes < 1 || o.budgets < 2*o.changes {
		fmt.Fprintf(os.Stderr, "bench: -changes=%d: want 1 or more, and at most half of the %d budgets: some are changed, and others spend all they have\n",
			o.changes, o.budgets)
		os.Exit(2)
	}
	ctrl.SetLogger(logr.Discard()) // its watches end with it, which is no news

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *dir, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string, o options) (err error) {
	// Redis would find there what it had in the last run.
	dir = filepath.Join(dir, "bench")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	fmt.Println("Starting Bursar with real servers; logs are in", dir)
	s, err := stack.Start(ctx, stack.Options{Dir: dir, Enforcers: 2, AsInstalled: true, Progress: os.Stdout})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	// The API server waits, when it stops, for those who watch.
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go failWith(ctx, s.Managers[0].Process(), stop)
	if err := measure(ctx, s, o); err != nil {
		return cmp.Or(ended(ctx), err)
	}
	return nil
}

// failWith ends the benchmark when the manager ends: nothing would come of waiting.
func failWith(ctx context.Context, manager *process.Process, stop context.CancelCauseFunc) {
	select {
	case <-ctx.Done():
	case <-manager.Done():
		stop(fmt.Errorf("the manager has ended; the end of its log:\n%s", manager.LogTail(5)))
	}
}

// ended is why everything was ended; nil when it was not.
func ended(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}

func measure(ctx context.Context, s *stack.Stack, o options) error {
	longest := o.within + 2*o.rest + 3*o.busy + time.Duration(3*o.changes+3)*changeTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, longest, fmt.Errorf("the run took longer than %s", longest))
	defer cancel()
	b, err := newBench(ctx, s, o)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		title string
		run   func(context.Context) error
	}{
		{fmt.Sprintf("%d TenantBudgets with a RateLimitPolicy each are applied", o.budgets), b.program},
		{"At rest", b.idle},
		{"One budget changes", b.change},
		{fmt.Sprintf("%d tenants call through the enforcers, %d calls a second", callers, o.requests), b.serve},
		{"Redis loses all that it has", b.refill},
		{fmt.Sprintf("All tenants make calls, %d calls a second", o.calls), b.spend},
	} {
		fmt.Printf("\n== %s\n\n", step.title)
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.title, cmp.Or(ended(ctx), err))
		}
	}
	return b.memory()
}
