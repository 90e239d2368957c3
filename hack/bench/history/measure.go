package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// question is one that is asked again and again, each time as chance has it.
type question struct {
	name string
	ask  func(ctx context.Context, random *rand.Rand) error
}

// part are questions whose answers, 95 of 100, are to take no longer than the aim.
type part struct {
	name      string
	aim       time.Duration
	questions []question
}

// measuring measures questions, and keeps those whose answers take too long.
type measuring struct {
	options
	// spent is the processor time of those who answer until now.
	spent    func() (time.Duration, error)
	measured int
	tooLong  []string
}

func (m *measuring) measure(ctx context.Context, p part) error {
	fmt.Printf("\n== %s: 95 of 100 answers within %s\n\n%10s %10s %10s\n", p.name, p.aim, "median", "p95", "processor")
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	for _, q := range p.questions {
		if !m.only.MatchString(q.name) {
			continue
		}
		took := make([]time.Duration, m.runs)
		before, err := m.spent()
		if err != nil {
			return err
		}
		for i := range took {
			began := time.Now()
			if err := q.ask(ctx, random); err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
			took[i] = time.Since(began)
		}
		after, err := m.spent()
		if err != nil {
			return err
		}
		slices.Sort(took)
		median, p95 := took[m.runs/2], took[(m.runs*95+99)/100-1]
		line := fmt.Sprintf("%7.1f ms %7.1f ms %7.1f ms  %s", milliseconds(median), milliseconds(p95), milliseconds(after-before)/float64(m.runs), q.name)
		fmt.Println(line)
		m.measured++
		if p95 > p.aim {
			m.tooLong = append(m.tooLong, line)
		}
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// verdict is an error where answers take too long.
func (m *measuring) verdict() error {
	if len(m.tooLong) == 0 {
		fmt.Printf("\nAll of %d questions are answered in time.\n", m.measured)
		return nil
	}
	fmt.Println("\n== Too long")
	for _, line := range m.tooLong {
		fmt.Println(line)
	}
	return fmt.Errorf("%d of %d questions take longer than is aimed at", len(m.tooLong), m.measured)
}

// known are ids of calls that there are.
type known struct {
	// calls are anybody's, own the employee's, and refused those that were refused.
	calls, own, refused []string
}

func readKnown(ctx context.Context, ledger *pgxpool.Pool) (k known, err error) {
	for _, one := range []struct {
		into  *[]string
		query string
		args  []any
	}{
		// The first of each hour: to sort all by chance takes long.
		{&k.calls, `SELECT found.call_id FROM generate_series(now() - $2 * interval '1 day', now(), '1 hour') AS hour
CROSS JOIN LATERAL (SELECT call_id FROM ai_usage_logs WHERE tenant_id = $1 AND admitted_at >= hour ORDER BY admitted_at LIMIT 1) AS found`, []any{tenant, days}},
		{&k.own, "SELECT call_id FROM ai_usage_logs WHERE tenant_id = $1 AND user_id = $2 ORDER BY random() LIMIT 1000", []any{tenant, employee}},
		{&k.refused, "SELECT call_id FROM ai_refusals WHERE tenant_id = $1 ORDER BY random() LIMIT 1000", []any{tenant}},
	} {
		rows, err := ledger.Query(ctx, one.query, one.args...)
		if err != nil {
			return k, err
		}
		if *one.into, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return k, err
		}
		if len(*one.into) == 0 {
			return k, fmt.Errorf("no rows: %s", one.query)
		}
	}
	return k, nil
}

// pick is one of many.
func pick(random *rand.Rand, of []string) string { return of[random.IntN(len(of))] }
