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

// recountTimeout bounds the first attempt to have tenants recounted. If that fails, the
// recount is requested again in the background, and holds up nothing meanwhile.
const recountTimeout = time.Second

// Late counts the calls that the ledger already had with another end.
type Late struct {
	// Amended are the calls that had been charged in full, and have their true cost now.
	// Kept are the calls that were to be charged in full although the ledger had their true
	// cost: it keeps that.
	Amended, Kept atomic.Int64
}

// Late are the counts until now.
func (w *Writer) Late() *Late { return &w.late }

// recount names tenants, of the budget tree with the root, whose counters may differ from the
// ledger.
type recount struct {
	root    string
	tenants []string
}

// enter writes a batch to the ledger, except the rows that it will never accept. If the
// ledger already has some of the calls, a true cost replaces a charge in full. The tenants of
// differing calls have to be recounted, because their counters may differ from the ledger.
func (w *Writer) enter(ctx context.Context, batch []ledgerv1.Entry) (rejected []rejection[ledgerv1.Entry], differing []ledgerv1.Entry, err error) {
	inserted, rejected, err := calls.insert(ctx, w.db, dated(batch))
	if err != nil || inserted == len(batch)-len(rejected) {
		return rejected, nil, err
	}
	accepted := without(batch, rejected)
	ends, err := settleLate(ctx, w.db, accepted)
	if refusedForGood(err) || isUndefined(err) {
		w.log.Error("failed to compare settled calls with the ledger, which has some of them: it keeps what it has", "error", err)
		return rejected, nil, nil // so that they do not block others
	}
	if err != nil {
		return rejected, nil, err
	}
	for _, e := range accepted {
		end := ends[e.CallID]
		w.noteLate(e, end)
		// A charge in full was posted to counters that may already include the true cost, if
		// they were counted from the ledger. They are then too high, even if both amounts
		// are the same.
		if end.differs || end.became == known && e.Outcome == ledgerv1.ChargedHold {
			differing = append(differing, e)
		}
	}
	return rejected, differing, nil
}

// isUndefined reports whether the database does not have the function that was called: its
// schema is older than this enforcer.
func isUndefined(err error) bool {
	var refusal *pgconn.PgError
	return errors.As(err, &refusal) && refusal.Code == "42883"
}

// dated are the calls whose time of admission is known. Of the others, it is unknown whether
// they were admitted at all: they are not inserted, but amended if the ledger has them.
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

// recountSoon has the tenants recounted against whose limits the calls count. What fails is
// tried again in the background until it succeeds.
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

// recountNow has the tenants recounted against whose limits the calls count. It fails if that
// cannot be requested.
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

// recountAll requests recounts that failed before, until each succeeds.
func (w *Writer) recountAll(ctx context.Context, batch []recount) {
	for _, of := range batch {
		_ = w.try(ctx, "have tenants recounted", func(ctx context.Context) error { // fails with ctx alone
			return w.store.Recount(ctx, of.root, of.tenants)
		})
	}
}

// These are the results of settle_late: the row was amended, or the ledger keeps what it has.
const (
	amended = "amended"
	known   = "known"
)

// lateEnd is the result of settling a call late. differs is whether the call was ever charged
// another amount than the ledger, or the entry, has.
type lateEnd struct {
	became  string
	differs bool
}

const settleLateSQL = "SELECT id, became, coalesce(differs, false) FROM settle_late($1::jsonb)"

// settleLate tells the ledger the ends of calls that it may have already.
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

// objects are the rows of entries, each as an object with a member per column.
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

// object is a column's value as it is encoded in JSON for Postgres.
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
