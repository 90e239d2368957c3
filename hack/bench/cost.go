package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/hack/parts/process"
)

// cost is what the stack has taken until a moment.
type cost struct {
	// processor is the processor time of all processes of a program, by its name.
	processor map[string]time.Duration
	// commands is how many commands Redis has run, those of scripts too.
	commands int64
	// transactions is how many transactions Postgres has committed.
	transactions int64
}

// spentUntilNow reads the counters of the kernel, of Redis and of Postgres.
func (b *bench) spentUntilNow(ctx context.Context) (c cost, err error) {
	if c.processor, err = process.TimesBelow(os.Getpid()); err != nil {
		return c, err
	}
	info, err := b.redis.InfoMap(ctx, "stats").Result()
	if err != nil {
		return c, err
	}
	if _, err := fmt.Sscan(info["Stats"]["total_commands_processed"], &c.commands); err != nil {
		return c, fmt.Errorf("total_commands_processed of Redis: %w", err)
	}
	return c, b.database.QueryRow(ctx, `SELECT sum(xact_commit) FROM pg_stat_database`).Scan(&c.transactions)
}

// printSince prints what was taken since an earlier moment.
func (c cost) printSince(before cost) {
	var parts []string
	for _, program := range slices.Sorted(maps.Keys(c.processor)) {
		if spent := c.processor[program] - before.processor[program]; spent >= 100*time.Millisecond {
			parts = append(parts, fmt.Sprintf("%s %.1f", program, spent.Seconds()))
		}
	}
	fmt.Println("seconds of processors:", strings.Join(parts, ", "))
	fmt.Printf("%d commands of Redis, %d transactions of Postgres\n", c.commands-before.commands, c.transactions-before.transactions)
}
