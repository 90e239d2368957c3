package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"
)

type options struct {
	rounds  int
	turn    time.Duration
	streams int
	// steady is how many calls a second are made to see how soon they are in the ledger, for so
	// long.
	steady    int
	steadyFor time.Duration
	// masters is how many masters a Redis Cluster has by which it is measured how calls are spread.
	masters int
	// only and of choose among the measures, and among what is measured.
	only, of *regexp.Regexp
	// enforcers are the programs to measure, by the names that the table gives them.
	enforcers []named
	// peer is another gateway: the URL of its chat completions, its key, the model to ask it
	// for, and its process on this machine.
	peerURL, peerKey, peerModel string
	peerPID                     int
}

// named is a program with a name.
type named struct{ name, path string }

func main() {
	if as := os.Getenv(asFloor); as != "" {
		serveFloor(as)
		return
	}
	o := options{only: regexp.MustCompile(""), of: regexp.MustCompile("")}
	flag.IntVar(&o.rounds, "rounds", 5, "how often each is measured")
	flag.DurationVar(&o.turn, "turn", time.Second, "how long each is measured in a turn")
	flag.Func("only", "regular expression of the measures to make (default all)", compileInto(&o.only))
	flag.Func("of", "regular expression of the columns to measure (default all)", compileInto(&o.of))
	flag.IntVar(&o.streams, "streams", 1000, "how many streams are open at once when memory is measured; 0 leaves that out")
	flag.IntVar(&o.steady, "steady", 1000, "how many calls a second are made to measure how soon they are in the ledger; 0 leaves that out")
	flag.DurationVar(&o.steadyFor, "steady-for", 20*time.Second, "for how long")
	flag.IntVar(&o.masters, "masters", 3, "how many masters a Redis Cluster has, to measure how the calls of many tenants are spread over them; 0 leaves that out")
	flag.Func("enforcer", "name=path of an enforcer's program; may be given several times, to compare builds (default \"Bursar=bin/enforcer\")", func(text string) error {
		name, path, ok := strings.Cut(text, "=")
		if !ok {
			return errors.New("want name=path")
		}
		o.enforcers = append(o.enforcers, named{name, path})
		return nil
	})
	flag.StringVar(&o.peerURL, "peer-url", os.Getenv("PEER_URL"), "URL of another gateway's chat completions, whose provider must be the upstream (-upstream-address)")
	flag.StringVar(&o.peerModel, "peer-model", "gpt-4o", "model to ask the other gateway for")
	flag.IntVar(&o.peerPID, "peer-pid", 0, "process of the other gateway, if it runs on this machine")
	upstream := flag.String("upstream-address", "127.0.0.1:0", "address of the fixed upstream")
	flag.Parse()
	o.peerKey = os.Getenv("PEER_KEY") // which has no place on a command line
	if len(o.enforcers) == 0 {
		o.enforcers = []named{{"Bursar", "bin/enforcer"}}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, *upstream)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-proxy:", err)
		os.Exit(1)
	}
}

func compileInto(into **regexp.Regexp) func(string) error {
	return func(text string) (err error) {
		*into, err = regexp.Compile(text)
		return err
	}
}

func run(ctx context.Context, o options, upstreamAddress string) (err error) {
	p := &parts{options: o}
	defer func() { err = errors.Join(err, p.stop()) }()
	fmt.Println("Starting the floors, Redis, Postgres and the enforcers")
	if err := p.start(ctx, upstreamAddress); err != nil {
		return err
	}
	t := newTable(p)
	for round := range o.rounds {
		fmt.Printf("Round %d of %d\n", round+1, o.rounds)
		for _, m := range measures {
			if !o.only.MatchString(m.name) {
				continue
			}
			if err := t.measure(ctx, m, round); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
		}
	}
	if o.steady > 0 {
		fmt.Printf("The ledger, with %d calls a second\n", o.steady)
		if err := t.ledger(ctx, o.steady, o.steadyFor); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
	}
	if o.masters > 0 {
		fmt.Printf("A Redis Cluster of %d masters\n", o.masters)
		if err := t.masters(ctx); err != nil {
			return fmt.Errorf("masters: %w", err)
		}
	}
	if o.streams > 0 {
		fmt.Printf("Memory with %d streams\n", o.streams)
		if err := t.memory(ctx, o.streams); err != nil {
			return fmt.Errorf("memory: %w", err)
		}
	}
	t.print(os.Stdout)
	return nil
}
