package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	goredis "github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// row is what these tests ask of a row of the ledger.
type row struct {
	CallID, User, Outcome string
	Streamed              bool
	Held, Cost, Overrun   int64
}

// rows are the rows of the ledger, by their calls, once there are so many.
func (w *world) rows(n int) map[string]row {
	w.t.Helper()
	var all map[string]row
	testkit.Eventually(w.t, fmt.Sprintf("the ledger has %d calls", n), func() bool {
		all = w.allRows()
		return len(all) >= n
	})
	if len(all) != n {
		w.t.Fatalf("the ledger has %d calls, want %d", len(all), n)
	}
	return all
}

// allRows are the rows that the ledger has now. None has another of the same call.
func (w *world) allRows() map[string]row {
	w.t.Helper()
	found, err := w.ledger.Query(context.Background(),
		`SELECT call_id, user_id, outcome, streamed, held_nanos, cost_nanos, overrun_nanos FROM ai_usage_logs`)
	testkit.Must(w.t, err)
	rows, err := pgx.CollectRows(found, pgx.RowToStructByPos[row])
	testkit.Must(w.t, err)
	all := map[string]row{}
	for _, r := range rows {
		if twice, ok := all[r.CallID]; ok {
			w.t.Errorf("the ledger has a call twice: %+v and %+v", r, twice)
		}
		all[r.CallID] = r
	}
	return all
}

// atRest checks P3 when no call is open: the ledger adds up to what the limiter has
// counted, nothing is held, and Redis remembers no call.
func (w *world) atRest(rows map[string]row) {
	w.t.Helper()
	w.addsUp(rows)
	testkit.Eventually(w.t, "Redis remembers no call", func() bool { return w.remembered() == 0 })
}

// remembered is how many calls Redis remembers, open or not.
func (w *world) remembered() (calls int64) {
	w.t.Helper()
	keys, err := w.redis.Keys(w.t.Context(), "bursar:*:calls:*").Result()
	testkit.Must(w.t, err)
	for _, key := range keys {
		n, err := w.redis.HLen(w.t.Context(), key).Result()
		testkit.Must(w.t, err)
		if w.redis.HExists(w.t.Context(), key, limiterv1.FencedField).Val() {
			n--
		}
		calls += n
	}
	return calls
}

func (w *world) addsUp(rows map[string]row) {
	w.t.Helper()
	for _, difference := range w.differences(rows) {
		w.t.Error(difference)
	}
}

// settles checks P3 when the control plane has to count some calls anew: in the end, the counters are
// equal to the sums of the ledger, nothing is held, and Redis remembers no call.
func (w *world) settles(rows map[string]row) {
	w.t.Helper()
	testkit.EventuallySucceeds(w.t, "counters say what the ledger says", func() error {
		return errors.Join(w.differences(rows)...)
	})
	testkit.Eventually(w.t, "Redis remembers no call", func() bool { return w.remembered() == 0 })
}

// differences are those between counters and the ledger.
func (w *world) differences(rows map[string]row) (all []error) {
	w.t.Helper()
	spent := map[string]money.Nanos{}
	for _, r := range rows {
		spent["tenant"] += money.Nanos(r.Cost)
		spent[r.User] += money.Nanos(r.Cost)
	}
	for who, want := range spent {
		key := ofTenant
		if who != "tenant" {
			key = limiterv1.CountersKey("acme", limiterv1.Epoch{Number: w.epoch}, "acme", limiterv1.Owner{User: who})
		}
		counter := w.counter(key)
		if counter.Spent != want || counter.Held != 0 {
			all = append(all, fmt.Errorf("%s: counted %s spent and %s held, the ledger says %s", who, counter.Spent, counter.Held, want))
		}
	}
	return all
}

// counter is the counter of the year's money in counters; zero while it is set anew.
func (w *world) counter(key string) limiterv1.MoneyCounter {
	w.t.Helper()
	raw, err := w.redis.HGet(w.t.Context(), key, limiterv1.MoneyField(limiterv1.MoneyLimit{Period: period.Year})).Bytes()
	if errors.Is(err, goredis.Nil) {
		return limiterv1.MoneyCounter{}
	}
	testkit.Must(w.t, err)
	counter, err := limiterv1.DecodeMoneyCounter(raw)
	testkit.Must(w.t, err)
	return counter
}

// likeTheBill checks that the ledger has what the provider bills, call by call.
func (w *world) likeTheBill(rows map[string]row) {
	w.t.Helper()
	bill := w.provider.Bill()
	var total int64
	for _, call := range bill.Calls {
		if got := rows[call.ID]; got.Cost != call.CostNanos {
			w.t.Errorf("call %s: the ledger has %+v, the provider bills %d", call.ID, got, call.CostNanos)
		}
	}
	for _, r := range rows {
		total += r.Cost
	}
	if total != bill.TotalNanos {
		w.t.Errorf("the ledger adds up to %d, the bill to %d", total, bill.TotalNanos)
	}
}
