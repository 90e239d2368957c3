package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bursar-dev/bursar/hack/parts/process"
)

// The programs that are measured; enforcers and Postgres' processes are counted together.
const (
	manager   = "manager"
	enforcers = "enforcers"
	redisName = "Redis"
	postgres  = "Postgres"
)

var programs = []string{manager, enforcers, redisName, postgres}

// usage is what the programs have taken until a moment.
type usage struct {
	at time.Time
	// time is processor time, and memory what they have at that moment, in MB.
	time   map[string]time.Duration
	memory map[string]float64
	// Bytes: of Redis' data and of its append-only file, of the ledger's database, and of all
	// that Postgres has ever written ahead of it.
	data, appendOnly, database, written float64
}

// used is what the programs have taken until now.
func (b *bench) used(ctx context.Context) (usage, error) {
	u := usage{at: time.Now(), time: map[string]time.Duration{}, memory: map[string]float64{}}
	families := map[string][]int{manager: {b.stack.Managers[0].Process().PID()}, postgres: {b.stack.PostgresPID()}}
	for _, enforcer := range b.stack.Enforcers {
		families[enforcers] = append(families[enforcers], enforcer.PID())
	}
	for name, pids := range families {
		for _, pid := range pids {
			spent, err := process.FamilyTime(pid)
			if err != nil {
				return u, err
			}
			memory, err := process.FamilyMemory(pid)
			if err != nil {
				return u, err
			}
			u.time[name] += spent
			u.memory[name] += memory
		}
	}
	if err := u.addRedis(ctx, b); err != nil {
		return u, err
	}
	return u, u.addLedger(ctx, b.stack.DatabaseURL)
}

func (u *usage) addRedis(ctx context.Context, b *bench) error {
	info, err := b.redis.InfoMap(ctx, "cpu", "memory", "persistence").Result()
	if err != nil {
		return err
	}
	var user, system, resident float64
	for value, text := range map[*float64]string{
		&user: info["CPU"]["used_cpu_user"], &system: info["CPU"]["used_cpu_sys"],
		&resident: info["Memory"]["used_memory_rss"], &u.data: info["Memory"]["used_memory"],
		&u.appendOnly: info["Persistence"]["aof_current_size"],
	} {
		if _, err := fmt.Sscan(text, value); err != nil {
			return fmt.Errorf("INFO of Redis: %w", err)
		}
	}
	u.time[redisName] = time.Duration((user + system) * float64(time.Second))
	u.memory[redisName] = resident / mb
	return nil
}

func (u *usage) addLedger(ctx context.Context, url string) error {
	connection, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }() // what it has read is there
	return connection.QueryRow(ctx, `SELECT pg_database_size(current_database())::float8, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8`).
		Scan(&u.database, &u.written)
}

const mb = 1 << 20

// size is what budgets and calls take.
type size struct {
	nothing, programmed, restFrom, restTo, callsFrom, callsTo usage
	// calls is how many were made between callsFrom and callsTo.
	calls int
}

// print prints what each program takes, and what of disks.
func (s size) print(budgets int) error {
	fmt.Printf("\n== What it takes\n\n")
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	line := func(what string, value func(program string) string) {
		fmt.Fprint(table, what)
		for _, program := range programs {
			fmt.Fprint(table, "\t", value(program))
		}
		fmt.Fprintln(table)
	}
	line("", func(program string) string { return program })
	line("memory without a budget, MB", memoryAt(s.nothing))
	line(fmt.Sprintf("memory with %d, MB", budgets), memoryAt(s.restTo))
	line("memory after the calls, MB", memoryAt(s.callsTo))
	line("processor time to program them, s", func(program string) string {
		return fmt.Sprintf("%.1f", (s.programmed.time[program] - s.nothing.time[program]).Seconds())
	})
	line("of a core, at rest", ofACore(s.restFrom, s.restTo))
	line("of a core, with calls", ofACore(s.callsFrom, s.callsTo))
	line("processor time a call, ms", func(program string) string {
		return fmt.Sprintf("%.2f", 1000*s.beyondRest(program).Seconds()/float64(s.calls))
	})
	if err := table.Flush(); err != nil {
		return err
	}
	perCall := func(from, to float64) float64 { return (to - from) / float64(s.calls) }
	fmt.Printf("\nRedis' data: %.1f KB a budget\n", (s.restTo.data-s.nothing.data)/1024/float64(budgets))
	fmt.Printf("%d calls: the ledger grew by %.0f bytes a call, for which Postgres wrote %.0f ahead\n", s.calls,
		perCall(s.callsFrom.database, s.callsTo.database), perCall(s.callsFrom.written, s.callsTo.written))
	if grown := perCall(s.callsFrom.appendOnly, s.callsTo.appendOnly); grown > 0 { // else Redis has rewritten it
		fmt.Printf("Redis' append-only file grew by %.0f bytes a call\n", grown)
	}
	return nil
}

func memoryAt(u usage) func(program string) string {
	return func(program string) string { return fmt.Sprintf("%.0f", u.memory[program]) }
}

func ofACore(from, to usage) func(program string) string {
	return func(program string) string {
		return fmt.Sprintf("%.3f", (to.time[program]-from.time[program]).Seconds()/to.at.Sub(from.at).Seconds())
	}
}

// beyondRest is the processor time of a program for the calls, without what it takes at rest.
func (s size) beyondRest(program string) time.Duration {
	atRest := float64(s.restTo.time[program]-s.restFrom.time[program]) / float64(s.restTo.at.Sub(s.restFrom.at))
	return s.callsTo.time[program] - s.callsFrom.time[program] - time.Duration(atRest*float64(s.callsTo.at.Sub(s.callsFrom.at)))
}
