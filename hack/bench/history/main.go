// Command history measures what is answered from a long history: it generates calls of three months
// of one tenant in a real Postgres, adds them up as the leader does after an upgrade, and asks the
// ledger itself, and a console over it for its API and its pages, all that they can be asked. Sums
// are compared with the ledger. Then the tenant moves to another time zone, the last 32 days are added up
// by that one's calendar, and the ledger is asked again. It fails where an answer takes longer than is
// aimed at.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
	_ "time/tzdata" // as in the console

	"github.com/go-logr/logr"
	"github.com/jackc/pgx/v5/pgxpool"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/bursar-dev/bursar/hack/showcase"
	"github.com/bursar-dev/bursar/history"
)

type options struct {
	// calls is how many calls are generated, and runs how often each question is asked.
	calls, runs int
	// only are the questions that are asked, by name.
	only *regexp.Regexp
	// console is the console's program.
	console string
	// stays is whether everything is left running when all has been measured, to be looked at.
	stays bool
}

func main() {
	o := options{only: regexp.MustCompile("")}
	flag.IntVar(&o.calls, "calls", 10_000_000, "how many calls are generated: ten million take 10 GB in TMPDIR")
	flag.IntVar(&o.runs, "runs", 20, "how often each question is asked")
	flag.Func("only", "regular expression of the questions to ask, such as ^page (default all)", func(text string) (err error) {
		o.only, err = regexp.Compile(text)
		return err
	})
	flag.StringVar(&o.console, "console", filepath.Join("bin", "console"), "the console's program")
	flag.BoolVar(&o.stays, "stay", false, "leave everything running at the end, until Ctrl-C")
	flag.Parse()
	if o.calls < days || o.runs < 1 {
		fmt.Fprintf(os.Stderr, "bench-history: -calls=%d -runs=%d: want at least %d calls, one for each day, and 1 run\n", o.calls, o.runs, days)
		os.Exit(2)
	}
	ctrl.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-history:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	fmt.Println("Starting the sample company, with a Kubernetes API server and Postgres")
	now := time.Now().UTC()
	// As Postgres is run for so many calls: what its buffers do not hold, it copies from the kernel's again and again.
	company, err := showcase.Start(ctx, now, "shared_buffers=1GB")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, company.Stop()) }()
	if err := generate(ctx, company.Ledger, now, o.calls); err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	if err := addUp(ctx, company.Ledger, 2*days); err != nil {
		return fmt.Errorf("add up: %w", err)
	}
	if err := tellSizes(ctx, company.Ledger); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bursar-bench-history-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	site, err := startConsole(ctx, company, o.console, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, site.process.Stop()) }()
	reading, err := pgxpool.New(ctx, company.ConsoleURL)
	if err != nil {
		return err
	}
	defer reading.Close()
	err = measureAll(ctx, o, company.Ledger, history.NewReader(reading), site, now)
	if o.stays && ctx.Err() == nil {
		fmt.Printf("\nThe console is at %s, and Postgres at %s, until Ctrl-C. A token of the admin:\n%s\n", site.url, company.Ledger.Config().ConnString(), site.token(admin))
		<-ctx.Done()
	}
	return err
}

// measureAll asks everything, and compares sums with the ledger.
func measureAll(ctx context.Context, o options, ledger *pgxpool.Pool, reader *history.Reader, site *site, now time.Time) error {
	known, err := readKnown(ctx, ledger)
	if err != nil {
		return err
	}
	m := measuring{options: o, spent: site.spent}
	for _, part := range []part{
		{"The ledger, as the console reads it", 200 * time.Millisecond, readerQuestions(now, reader, known)},
		{"The ledger, in another time zone than the tenant's", 2 * time.Second, otherZoneQuestions(now, reader)},
		{"Routes of the console's API", 200 * time.Millisecond, routeQuestions(now, site, known)},
		{"Pages of the console", 300 * time.Millisecond, pageQuestions(now, site, known)},
	} {
		if err := m.measure(ctx, part); err != nil {
			return err
		}
	}
	if err := compareReader(ctx, ledger, reader, now); err != nil {
		return err
	}
	if err := compareRoutes(ctx, ledger, site, now); err != nil {
		return err
	}
	if err := moveTo(ctx, ledger, half); err != nil {
		return err
	}
	if err := addUp(ctx, ledger, 32); err != nil {
		return err
	}
	if err := m.measure(ctx, part{"The ledger, after the tenant has moved", 200 * time.Millisecond, movedQuestions(now, reader)}); err != nil {
		return err
	}
	return m.verdict()
}
