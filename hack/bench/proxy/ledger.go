package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

const (
	// steadyCallers is how many connections calls at an even rate are shared out to.
	steadyCallers = 64
	// ledgerTimeout is how long the last calls may take to be in the ledger.
	ledgerTimeout = 10 * time.Second
)

// ledger measures how soon calls are in the ledger that are made at an even rate: from the moment
// at which the caller has the end of its answer to that of the commit of its row.
func (t *table) ledger(ctx context.Context, perSecond int, d time.Duration) error {
	for _, s := range t.parts.subjects {
		if s.ledger == "" || s.calls == nil {
			continue
		}
		if _, err := callFor(ctx, *s.calls, steadyCallers, warmUp, false); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		ended, took, err := callSteadily(ctx, *s.calls, perSecond, d)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		committed, err := s.committed(ctx, slices.Collect(maps.Keys(ended)))
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		var delays []time.Duration
		for id, at := range committed {
			delays = append(delays, at.Sub(ended[id]))
		}
		slices.Sort(delays)
		row := fmt.Sprintf("%d calls/s: ", perSecond)
		t.add(row+"made, calls/s", s.name, float64(len(ended))/took.Seconds())
		for _, percent := range []int{50, 99} {
			t.add(fmt.Sprintf("%sfrom a call's end to its row, p%d, ms", row, percent), s.name,
				micros(delays[(len(delays)-1)*percent/100], 1000))
		}
	}
	return nil
}

// callSteadily makes calls at an even rate, whatever each takes, and returns when each ended, by
// its id.
func callSteadily(ctx context.Context, t target, perSecond int, d time.Duration) (ended map[string]time.Time, took time.Duration, err error) {
	address, request, err := t.request(false)
	if err != nil {
		return nil, 0, err
	}
	ended = map[string]time.Time{}
	var mu sync.Mutex
	calling, ctx := errgroup.WithContext(ctx)
	due := make(chan struct{}, steadyCallers)
	for range steadyCallers {
		calling.Go(func() (err error) {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, conn.Close()) }()
			reader := bufio.NewReader(conn)
			for range due {
				if _, err := conn.Write(request); err != nil {
					return err
				}
				id, err := readAnswer(reader, t.status)
				if err != nil {
					return err
				}
				mu.Lock()
				ended[id] = time.Now()
				mu.Unlock()
			}
			return nil
		})
	}
	begin := time.Now()
	calling.Go(func() error {
		defer close(due)
		pause := time.Second / time.Duration(perSecond)
		for at := begin; at.Before(begin.Add(d)); at = at.Add(pause) {
			time.Sleep(time.Until(at))
			select {
			case due <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	err = calling.Wait()
	return ended, time.Since(begin), err
}

// committed is when the rows of calls were committed to the ledger, by Postgres' own note of it.
// It waits until all are.
func (s *subject) committed(ctx context.Context, ids []string) (map[string]time.Time, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, ledgerTimeout, fmt.Errorf("not all calls are in the ledger after %s", ledgerTimeout))
	defer cancel()
	connection, err := pgx.Connect(ctx, s.ledger)
	if err != nil {
		return nil, err
	}
	defer func() { _ = connection.Close(context.WithoutCancel(ctx)) }() // what it has read is there
	for rows := 0; rows < len(ids); {
		time.Sleep(settling)
		if err := connection.QueryRow(ctx, `SELECT count(*) FROM ai_usage_logs WHERE call_id = ANY ($1)`, ids).Scan(&rows); err != nil {
			return nil, errors.Join(err, context.Cause(ctx))
		}
	}
	rows, err := connection.Query(ctx, `SELECT call_id, pg_xact_commit_timestamp(xmin) FROM ai_usage_logs WHERE call_id = ANY ($1)`, ids)
	if err != nil {
		return nil, err
	}
	committed := map[string]time.Time{}
	var id string
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &at}, func() error {
		committed[id] = at
		return nil
	})
	return committed, err
}
