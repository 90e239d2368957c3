package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/bursar-dev/bursar/hack/parts/process"
)

// measure is something that is measured of all subjects that it can be measured of.
type measure struct {
	name              string
	callers           int
	streamed, refused bool
	rows              []row
}

// row is a row of the table.
type row struct {
	name string
	// value is what is found of a turn; false where there is nothing.
	value func(turn) (float64, bool)
}

// turn is what was seen while one subject was measured once.
type turn struct {
	load
	own, redis, postgres        time.Duration
	hasOwn, hasRedis, hasLedger bool
}

// chunks is how many chunks of streams came.
func (t turn) chunks() float64 { return float64(t.calls * (chunksPerStream + 2)) }

func micros(d time.Duration, of float64) float64 { return float64(d.Nanoseconds()) / 1000 / of }

var (
	perSecond = row{"calls/s", func(t turn) (float64, bool) { return float64(t.calls) / t.took.Seconds(), true }}
	own       = row{"own processor time a call, us", func(t turn) (float64, bool) { return micros(t.own, float64(t.calls)), t.hasOwn }}
	ofRedis   = row{"Redis' processor time a call, us", func(t turn) (float64, bool) { return micros(t.redis, float64(t.calls)), t.hasRedis }}
	ofLedger  = row{"Postgres' processor time a call, us", func(t turn) (float64, bool) { return micros(t.postgres, float64(t.calls)), t.hasLedger }}
	p50       = row{"p50, us", func(t turn) (float64, bool) { return micros(t.p50(), 1), true }}
	chunkRate = row{"chunks/s", func(t turn) (float64, bool) { return t.chunks() / t.took.Seconds(), true }}
	perChunk  = row{"own processor time a chunk, us", func(t turn) (float64, bool) { return micros(t.own, t.chunks()), t.hasOwn }}
)

var measures = []measure{
	{name: "1 caller", callers: 1, rows: []row{p50}},
	{name: "16 callers", callers: 16, rows: []row{own, ofRedis, ofLedger}},
	{name: "64 callers", callers: 64, rows: []row{perSecond}},
	{name: "refusals, 64 callers", callers: 64, refused: true, rows: []row{perSecond, own}},
	{name: "64 streams", callers: 64, streamed: true, rows: []row{chunkRate, perChunk}},
}

// table has what was found: for each row and subject, a value a round.
type table struct {
	parts *parts
	rows  []string
	found map[string]map[string][]float64
}

func newTable(p *parts) *table { return &table{parts: p, found: map[string]map[string][]float64{}} }

func (t *table) add(row, subject string, value float64) {
	if t.found[row] == nil {
		t.rows, t.found[row] = append(t.rows, row), map[string][]float64{}
	}
	t.found[row][subject] = append(t.found[row][subject], value)
}

const (
	// warmUp is how long each is called before it is measured.
	warmUp = 200 * time.Millisecond
	// retries is how often a turn is tried again that failed: on a busy machine a call may wait
	// for longer than anybody does.
	retries = 3
)

// measure measures all subjects, another one first in each round.
func (t *table) measure(ctx context.Context, m measure, round int) error {
	for i := range t.parts.subjects {
		s := t.parts.subjects[(i+round)%len(t.parts.subjects)]
		to := s.calls
		if m.refused {
			to = s.refused
		}
		if to == nil {
			continue
		}
		seen, err := t.parts.turn(ctx, s, *to, m)
		for again := 0; err != nil && again < retries && ctx.Err() == nil; again++ {
			fmt.Printf("  %s, %s, once more: %s\n", m.name, s.name, err)
			seen, err = t.parts.turn(ctx, s, *to, m)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		for _, row := range m.rows {
			if value, ok := row.value(seen); ok {
				t.add(m.name+": "+row.name, s.name, value)
			}
		}
	}
	return nil
}

// turn measures a subject once.
func (p *parts) turn(ctx context.Context, s *subject, to target, m measure) (turn, error) {
	if _, err := callFor(ctx, to, m.callers, warmUp, m.streamed); err != nil {
		return turn{}, err
	}
	before, err := p.spent(ctx, s)
	if err != nil {
		return turn{}, err
	}
	made, err := callFor(ctx, to, m.callers, p.options.turn, m.streamed)
	if err != nil {
		return turn{}, err
	}
	if s.ledger != "" {
		time.Sleep(settling) // what is written behind the calls belongs to them
	}
	after, err := p.spent(ctx, s)
	after.load = made
	after.own, after.redis, after.postgres = after.own-before.own, after.redis-before.redis, after.postgres-before.postgres
	return after, err
}

// settling is how long it takes until the last calls are in the ledger.
const settling = 200 * time.Millisecond

// spent is the processor time of a subject, and of what it asks, until now.
func (p *parts) spent(ctx context.Context, s *subject) (t turn, err error) {
	t.hasOwn, t.hasRedis, t.hasLedger = s.pid != 0, s.redis != nil, s.ledger != ""
	if t.hasOwn {
		if t.own, err = process.Time(s.pid); err != nil {
			return t, err
		}
	}
	if t.hasRedis {
		if t.redis, err = redisTime(ctx, s.redis); err != nil {
			return t, err
		}
	}
	if t.hasLedger {
		t.postgres, err = process.FamilyTime(p.postgres.PID())
	}
	return t, err
}

// redisTime is the processor time of Redis, as getrusage tells it.
func redisTime(ctx context.Context, client *redis.Client) (sum time.Duration, err error) {
	info, err := client.InfoMap(ctx, "cpu").Result()
	if err != nil {
		return 0, err
	}
	for _, name := range []string{"used_cpu_user", "used_cpu_sys"} {
		seconds, err := strconv.ParseFloat(info["CPU"][name], 64)
		if err != nil {
			return 0, fmt.Errorf("%s of Redis: %w", name, err)
		}
		sum += time.Duration(seconds * float64(time.Second))
	}
	return sum, nil
}

// apart is the time between the beginnings of two streams of which all are open in the end.
const apart = 5 * time.Millisecond

// memory measures the most memory that each has while so many streams are open.
func (t *table) memory(ctx context.Context, streams int) error {
	for _, s := range t.parts.subjects {
		if s.calls == nil || s.pid == 0 || s.name == "peer" {
			continue
		}
		to := *s.calls
		to.model = slowModel
		if err := process.ForgetPeak(s.pid); err != nil {
			return err
		}
		calling, ctx := errgroup.WithContext(ctx)
		for i := range streams {
			calling.Go(func() error {
				time.Sleep(time.Duration(i) * apart)
				_, err := callFor(ctx, to, 1, time.Nanosecond, true)
				return err
			})
		}
		if err := calling.Wait(); err != nil {
			fmt.Printf("  %s, left out: %s\n", s.name, err)
			continue
		}
		peak, err := process.PeakMemory(s.pid)
		if err != nil {
			return err
		}
		t.add(fmt.Sprintf("peak memory, %d streams, MB", streams), s.name, peak)
	}
	return nil
}

// print prints a row for each thing that was found and a column for each subject: the median of
// the rounds, and behind it the ratio to the first of the columns that has a value, its median
// and its spread from round to round.
func (t *table) print(w io.Writer) {
	fmt.Fprintf(w, "\n| median of %d rounds; ratio to the first column that has one (least to most) |", t.parts.rounds)
	for _, s := range t.parts.subjects {
		fmt.Fprintf(w, " %s |", s.name)
	}
	fmt.Fprintf(w, "\n|%s\n", strings.Repeat("---|", 1+len(t.parts.subjects)))
	for _, row := range t.rows {
		fmt.Fprintf(w, "| %s |", row)
		var first []float64
		for _, s := range t.parts.subjects {
			values := t.found[row][s.name]
			fmt.Fprintf(w, " %s |", cell(values, first))
			if first == nil {
				first = values
			}
		}
		fmt.Fprintln(w)
	}
}

func cell(values, first []float64) string {
	if len(values) == 0 {
		return "-"
	}
	if first == nil {
		return number(median(values))
	}
	ratios := make([]float64, len(values))
	for i := range values {
		ratios[i] = values[i] / first[i]
	}
	return fmt.Sprintf("%s (%.2f, %.2f to %.2f)", number(median(values)), median(ratios), slices.Min(ratios), slices.Max(ratios))
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func number(value float64) string {
	switch {
	case value >= 1000:
		return fmt.Sprintf("%.0f", value)
	case value >= 10:
		return fmt.Sprintf("%.1f", value)
	}
	return fmt.Sprintf("%.2f", value)
}

// listens is an error where nobody takes connections at an address.
func listens(ctx context.Context, address string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}
