package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
)

// recountTimeout bounds the first attempt to have tenants recounted. What it does not do
// is done later, and holds up nothing meanwhile.
const recountTimeout = time.Second

// Late counts what came of calls that the ledger had already, with another end.
type Late struct {
	// Amended are the calls that had been charged in full, and have their true cost now.
	// Kept are those that were to be charged in full, when the ledger had the true cost.
	Amended, Kept atomic.Int64
}

// Late are the counts until now.
func (w *Writer) Late() *Late { return &w.late }

// recount names tenants of the budget tree with the root whose counters may say
// something else than the ledger.
type recount struct {
	root    string
	tenants []string
}

// enter takes a batch to the ledger, except the rows that it will never accept. Where the
// ledger has some of the calls already, the truth takes the place of a charge in full. The
// tenants of differing calls are to be recounted: their counters may say otherwise.
func (w *Writer) enter(ctx context.Context, batch []ledgerv1.Entry) (rejected []rejection[ledgerv1.Entry], differing []ledgerv1.Entry, err error) {
	inserted, rejected, err := calls.insert(ctx, w.db, dated(batch))
	if err != nil || inserted == len(batch)-len(rejected) {
		return rejected, nil, err
	}
	accepted := without(batch, rejected)
	ends, err := settleLate(ctx, w.db, accepted)
	if refusedForGood(err) || isUndefined(err) {
		w.log.Error("failed to compare settled calls with the ledger, which has some of them: it keeps what it has", "error", err)
		return rejected, nil, nil // lest they stand in the way of others
	}
	if err != nil {
		return rejected, nil, err
	}
	for _, e := range accepted {
		end := ends[e.CallID]
		w.noteLate(e, end)
		// A charge in full was posted, beside the truth that may have been counted from the
		// ledger before, even if both are the same amount.
		if end.differs || end.became == known && e.Outcome == ledgerv1.ChargedHold {
			differing = append(differing, e)
		}
	}
	return rejected, differing, nil
}

// isUndefined is whether the database does not have what was asked for yet: its schema is
// of an older version than this enforcer.
func isUndefined(err error) bool {
	var refusal *pgconn.PgError
	return errors.As(err, &refusal) && refusal.Code == "42883"
}

// dated are the calls of which it is known when they were admitted. Of others it is not
// known whether they were: they are told of should the ledger have them all the same.
func dated(batch []ledgerv1.Entry) []ledgerv1.Entry {
	isUndated := func(e ledgerv1.Entry) bool { return e.AdmittedAt.IsZero() }
	if !slices.ContainsFunc(batch, isUndated) {
		return batch
	}
	return slices.DeleteFunc(slices.Clone(batch), isUndated)
}

func (w *Writer) noteLate(e ledgerv1.Entry, end lateEnd) {
	switch {
	case end.became == amended:
		w.late.Amended.Add(1)
		w.log.Warn("a call that had been charged its full hold has ended: the ledger has its true cost now",
			"call", e.CallID, "tenant", e.Tenant, "held", e.Held, "cost", e.Cost)
	case end.became == known && end.differs && e.Outcome == ledgerv1.ChargedHold:
		w.late.Kept.Add(1)
		w.log.Info("a call was charged its full hold, but the ledger has its true cost, which stands",
			"call", e.CallID, "tenant", e.Tenant, "held", e.Held)
	}
}

// recountSoon has the tenants recounted against whose limits the calls count; where that fails,
// it is tried again until it succeeds.
func (w *Writer) recountSoon(ctx context.Context, calls []ledgerv1.Entry) error {
	ctx, cancel := context.WithTimeout(ctx, recountTimeout)
	defer cancel()
	for _, of := range recountsOf(calls) {
		if w.store.Recount(ctx, of.root, of.tenants) != nil {
			w.recounts.add(maxWaiting, of)
		}
	}
	return nil
}

// recountNow has the tenants recounted against whose limits the calls count, or fails.
func (w *Writer) recountNow(ctx context.Context, calls []ledgerv1.Entry) error {
	for _, of := range recountsOf(calls) {
		if err := w.store.Recount(ctx, of.root, of.tenants); err != nil {
			return err
		}
	}
	return nil
}

// recountsOf are the tenants against whose limits the calls count, by their budget trees.
func recountsOf(calls []ledgerv1.Entry) (recounts []recount) {
	trees := map[string]map[string]bool{}
	for _, e := range calls {
		if trees[e.Root] == nil {
			trees[e.Root] = map[string]bool{}
		}
		for _, tenant := range append([]string{e.Tenant}, e.Ancestors...) {
			trees[e.Root][tenant] = true
		}
	}
	for root, tenants := range trees {
		recounts = append(recounts, recount{root, slices.Sorted(maps.Keys(tenants))})
	}
	return recounts
}

// recountAll has tenants recounted that could not be before.
func (w *Writer) recountAll(ctx context.Context, batch []recount) {
	for _, of := range batch {
		_ = w.try(ctx, "have tenants recounted", func(ctx context.Context) error { // fails with ctx alone
			return w.store.Recount(ctx, of.root, of.tenants)
		})
	}
}

// What becomes of a call that is settled late.
const (
	amended = "amended"
	known   = "known"
)

// lateEnd is what became of a call that was settled late, and whether it was ever charged
// otherwise than the ledger, or than the entry, says.
type lateEnd struct {
	became  string
	differs bool
}

const settleLateSQL = "SELECT id, became, coalesce(differs, false) FROM settle_late($1::jsonb)"

// settleLate tells the ledger how calls have ended that it may have already.
func settleLate(ctx context.Context, db Database, batch []ledgerv1.Entry) (map[string]lateEnd, error) {
	encoded, err := json.Marshal(objects(batch))
	if err != nil {
		return nil, fmt.Errorf("encode late settlements: %w", err)
	}
	ends := map[string]lateEnd{}
	rows, _ := db.Query(ctx, settleLateSQL, encoded) // ForEachRow has the error
	var id string
	var end lateEnd
	_, err = pgx.ForEachRow(rows, []any{&id, &end.became, &end.differs}, func() error {
		ends[id] = end
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("settle calls late: %w", err)
	}
	return ends, nil
}

// objects are the rows of entries, each an object of its columns.
func objects(batch []ledgerv1.Entry) []map[string]any {
	rows := make([]map[string]any, len(batch))
	for i := range rows {
		rows[i] = make(map[string]any, len(calls.columns))
	}
	for _, c := range calls.columns {
		values := reflect.ValueOf(c.Values(batch))
		for i := range rows {
			rows[i][c.Name] = object(values.Index(i).Interface())
		}
	}
	return rows
}

// object is a value of a column as Postgres takes it in JSON.
func object(value any) any {
	switch value := value.(type) {
	case time.Time:
		if value.IsZero() {
			return nil
		}
	case string:
		return text(value)
	case []string:
		texts := make([]string, len(value))
		for i := range value {
			texts[i] = text(value[i])
		}
		return texts
	}
	return value
}
