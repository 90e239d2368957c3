package ledger_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/ledger"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// charged is what whoever adopts a call makes of it: it is charged its hold.
func charged(e ledgerv1.Entry) ledgerv1.Entry {
	e.Outcome, e.Cost, e.Usage, e.Decision = ledgerv1.ChargedHold, e.Held, price.Usage{}, ""
	e.Duration, e.TimeToFirstToken = 0, nil
	return e
}

// row is what the ledger has of the cost of a call.
type row struct {
	Rows                 int
	Outcome              string
	Cost, Overrun, Input int64
	Amended              bool
	Before               *int64
}

func (db database) row(t testing.TB, id string) (r row) {
	t.Helper()
	const query = `
SELECT count(*), max(outcome), sum(cost_nanos)::bigint, sum(overrun_nanos)::bigint, sum(input_tokens)::bigint, bool_or(amended_at IS NOT NULL), max(charged_before_nanos)
FROM ai_usage_logs WHERE call_id = $1`
	testkit.Must(t, db.admin.QueryRow(t.Context(), query, id).Scan(&r.Rows, &r.Outcome, &r.Cost, &r.Overrun, &r.Input, &r.Amended, &r.Before))
	return r
}

var (
	held = int64(14 * money.Cent)
	// truth is the row of a call whose true cost came first, and amended that of a call whose
	// hold had been charged before.
	truth   = row{1, "Settled", int64(15 * money.Cent), int64(money.Cent), 11, false, nil}
	amended = row{1, "Settled", int64(15 * money.Cent), int64(money.Cent), 11, true, &held}
)

// write writes an entry at once.
func write(t testing.TB, w *ledger.Writer, e ledgerv1.Entry) {
	t.Helper()
	written, err := w.Write(t.Context(), []ledgerv1.Entry{e})
	testkit.Must(t, err)
	if len(written) != 1 {
		t.Errorf("%d entries are written, want 1", len(written))
	}
}

// TestAdoptedIsWrittenWithItsRecount: if the ledger has the true cost and so does not take a charge in
// full, WriteAdopted fails until the recount of the tenants is requested. Otherwise the adopter would drop
// the call from Redis too early.
func TestAdoptedIsWrittenWithItsRecount(t *testing.T) {
	db, store := newDatabase(t, server), &memory{}
	w := ledger.NewWriter(db.enforcer, store, discard)
	e := entry("call")
	e.Root = "acme"
	write(t, w, e)
	store.lose(true)
	written, err := w.WriteAdopted(t.Context(), []ledgerv1.Entry{charged(e)})
	if err == nil || len(written) > 0 {
		t.Errorf("%d entries are written, and %v, while nobody can be recounted", len(written), err)
	}
	store.lose(false)
	written, err = w.WriteAdopted(t.Context(), []ledgerv1.Entry{charged(e)})
	if err != nil || len(written) != 1 {
		t.Errorf("%d entries are written, and %v, want 1", len(written), err)
	}
	if got, want := store.recounts(), []string{"acme/acme"}; !slices.Equal(got, want) {
		t.Errorf("recounted %v, want %v", got, want)
	}
	if got := db.row(t, "call"); got != truth {
		t.Errorf("the row: %+v, want %+v", got, truth)
	}
}

// TestTheTruthStands: the true cost and a charge in full come in any order and any number of
// times. The ledger has the true cost, in one row, with what was charged before, and the tenants
// whose counters may differ from it are recounted.
func TestTheTruthStands(t *testing.T) {
	for name, tc := range map[string]struct {
		charge []bool // in turn: whether the hold is charged, or the truth is told
		want   row
		// recounted is whether the last was followed by a recount.
		recounted     bool
		amended, kept int64
	}{
		"the truth alone":          {[]bool{false}, truth, false, 0, 0},
		"the truth twice":          {[]bool{false, false}, truth, false, 0, 0},
		"charged first":            {[]bool{true, false}, amended, true, 1, 0},
		"charged, the truth twice": {[]bool{true, false, false}, amended, true, 1, 0},
		"the truth first":          {[]bool{false, true}, truth, true, 0, 1},
		"charged twice":            {[]bool{true, true}, row{1, "ChargedHold", held, 0, 0, false, nil}, true, 0, 0},
		"charged before and after": {[]bool{true, false, true}, amended, true, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			db, store := newDatabase(t, server), &memory{}
			w := start(t, db.enforcer, store)
			e := entry("call")
			e.Ancestors, e.Root = []string{"region", "group"}, "group"
			for _, charge := range tc.charge {
				store.recounts()
				if charge {
					write(t, w, charged(e))
				} else {
					w.Add(e)
					flush(t, w)
				}
			}
			got := db.row(t, "call")
			if got.Before != nil && tc.want.Before != nil {
				if *got.Before != *tc.want.Before {
					t.Errorf("charged before: %d, want %d", *got.Before, *tc.want.Before)
				}
				got.Before = tc.want.Before
			}
			if got != tc.want {
				t.Errorf("the row: %+v, want %+v", got, tc.want)
			}
			var want []string
			if tc.recounted {
				want = []string{"group/acme", "group/group", "group/region"}
			}
			if recounted := store.recounts(); !slices.Equal(recounted, want) {
				t.Errorf("recounted %v, want %v", recounted, want)
			}
			if late := w.Late(); late.Amended.Load() != tc.amended || late.Kept.Load() != tc.kept {
				t.Errorf("%d calls amended and %d charges left out, want %d and %d", late.Amended.Load(), late.Kept.Load(), tc.amended, tc.kept)
			}
		})
	}
}

// TestTheTruthIsTheHold: the true cost that the ledger has is equal to the hold that is charged
// later. The counters may have both, so the tenants are recounted.
func TestTheTruthIsTheHold(t *testing.T) {
	db, store := newDatabase(t, server), &memory{}
	w := ledger.NewWriter(db.enforcer, store, discard)
	e := entry("call")
	e.Cost = e.Held
	write(t, w, e)
	write(t, w, charged(e))
	if recounted := store.recounts(); !slices.Equal(recounted, []string{"acme/acme"}) {
		t.Errorf("recounted %v, want acme", recounted)
	}
}

// slow is a database that has no time to settle more than some calls late at once.
type slow struct {
	*pgxpool.Pool
	most int
}

func (s slow) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	var calls []json.RawMessage
	if raw, is := args[0].([]byte); is && json.Unmarshal(raw, &calls) == nil && len(calls) > s.most {
		late, cancel := context.WithTimeout(ctx, 0)
		defer cancel()
		return s.Pool.Query(late, sql, args...)
	}
	return s.Pool.Query(ctx, sql, args...)
}

// TestLateInASlowDatabase: what takes too long together is written in parts.
func TestLateInASlowDatabase(t *testing.T) {
	db, store := newDatabase(t, server), &memory{}
	w := ledger.NewWriter(slow{db.enforcer, 2}, store, discard)
	var ids []string
	for i := range 7 {
		e := entry(fmt.Sprintf("call-%d", i))
		ids = append(ids, e.CallID)
		write(t, ledger.NewWriter(db.enforcer, store, discard), e)
		w.Add(e)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Run(ctx)
	}()
	within, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	testkit.Must(t, w.Flush(within))
	stop()
	<-ended
	if got := db.ids(t); !slices.Equal(slices.Sorted(slices.Values(got)), ids) {
		t.Errorf("the ledger has %v, want %v", got, ids)
	}
}

// TestLateAmongOthers: if some calls of a batch had been charged another amount, only their tenants
// are recounted, and the other calls are recorded as usual.
func TestLateAmongOthers(t *testing.T) {
	db, store := newDatabase(t, server), &memory{}
	w := ledger.NewWriter(db.enforcer, store, discard)
	late := entry("late")
	late.Tenant, late.Root = "globex", "globex"
	write(t, w, charged(late))
	again := entry("again")
	write(t, w, again)
	bad := entry("bad")
	bad.Outcome = "Nonsense" // which the database refuses
	written, err := w.Write(t.Context(), []ledgerv1.Entry{entry("new"), late, bad, again})
	testkit.Must(t, err)
	if len(written) != 3 || db.row(t, "new") != truth || db.row(t, "again") != truth || !db.row(t, "late").Amended {
		t.Errorf("%d written; rows %+v, %+v, %+v", len(written), db.row(t, "new"), db.row(t, "again"), db.row(t, "late"))
	}
	if recounted := store.recounts(); !slices.Equal(recounted, []string{"globex/globex"}) {
		t.Errorf("recounted %v, want globex alone", recounted)
	}
}

// TestTheSameRowLate: a call that is inserted late has the row that it would have had.
func TestTheSameRowLate(t *testing.T) {
	db, store := newDatabase(t, server), &memory{}
	w := ledger.NewWriter(db.enforcer, store, discard)
	one, other := entry("one"), entry("other")
	for _, e := range []*ledgerv1.Entry{&one, &other} {
		e.Ancestors, e.Decision, e.PricedAs = []string{"region", "group"}, ledgerv1.Shadowed, ledgerv1.MostExpensive
		e.ModelAsked = "a\x00b\xff"
	}
	write(t, w, one)
	testkit.Must(t, ledger.SettleLate(t.Context(), db.enforcer, other))
	var same int
	testkit.Must(t, db.admin.QueryRow(t.Context(), `
SELECT count(DISTINCT to_jsonb(l) - ARRAY['call_id', 'recorded_at']) FROM ai_usage_logs AS l WHERE call_id IN ('one', 'other')`).Scan(&same))
	if same != 1 || db.row(t, "other").Rows != 1 {
		t.Errorf("%d different rows", same)
	}
}

// TestNotKnownWhetherAdmitted: when an admission got no answer, and the call was never made, the
// ledger is told that it cost nothing only if it has the call already.
func TestNotKnownWhetherAdmitted(t *testing.T) {
	db, store := newDatabase(t, server), &memory{}
	w := ledger.NewWriter(db.enforcer, store, discard)
	taken, other := entry("taken"), entry("never taken")
	write(t, w, charged(taken))
	for _, e := range []ledgerv1.Entry{taken, other, entry("another")} {
		if e.CallID != "another" {
			e.AdmittedAt, e.Outcome, e.Cost, e.Usage = time.Time{}, ledgerv1.Voided, 0, price.Usage{}
		}
		write(t, w, e)
	}
	if got := db.row(t, "taken"); got.Outcome != "Voided" || got.Cost != 0 || !got.Amended || *got.Before != held {
		t.Errorf("a call that was charged, and never made: %+v", got)
	}
	if got := db.ids(t); !slices.Equal(got, []string{"taken", "another"}) {
		t.Errorf("the ledger has %v, want nothing of the call that nobody charged", got)
	}
	if recounted := store.recounts(); !slices.Equal(recounted, []string{"acme/acme"}) {
		t.Errorf("recounted %v, want acme", recounted)
	}
}

// TestSchemaOfBefore: calls are recorded even if the control plane has not brought the schema up
// to date yet.
func TestSchemaOfBefore(t *testing.T) {
	db, store := newDatabase(t, server), &memory{}
	w := ledger.NewWriter(db.enforcer, store, discard)
	_, err := db.admin.Exec(t.Context(), "DROP FUNCTION settle_late")
	testkit.Must(t, err)
	write(t, w, charged(entry("known")))
	written, err := w.Write(t.Context(), []ledgerv1.Entry{entry("known"), entry("new")})
	if testkit.Must(t, err); len(written) != 2 || db.row(t, "new") != truth {
		t.Errorf("%d are written, and the row is %+v", len(written), db.row(t, "new"))
	}
}

// TestTheTruthRaces: the true cost and a charge in full come at the same time, a hundred times. The
// true cost stands, and one of the two writers has the tenant recounted.
func TestTheTruthRaces(t *testing.T) {
	db, store := newDatabase(t, server), &memory{}
	adopter, owner := ledger.NewWriter(db.enforcer, store, discard), ledger.NewWriter(db.enforcer, store, discard)
	for i := range 100 {
		e := entry(number(i))
		var both sync.WaitGroup
		for w, e := range map[*ledger.Writer]ledgerv1.Entry{adopter: charged(e), owner: e} {
			both.Go(func() {
				if _, err := w.Write(t.Context(), []ledgerv1.Entry{e}); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		got := db.row(t, e.CallID)
		got.Before, got.Amended = nil, false
		if got != truth || len(store.recounts()) != 1 {
			t.Fatalf("round %d: %+v, want the truth and a recount", i, got)
		}
	}
	t.Logf("the charge came first %d times of 100, the truth %d times", owner.Late().Amended.Load(), adopter.Late().Kept.Load())
	if n := owner.Late().Amended.Load() + adopter.Late().Kept.Load(); n != 100 {
		t.Errorf("%d of 100 were put right", n)
	}
}

// TestRecountWaitsForRedis: while Redis is away, calls are written to the ledger, and the recount
// is requested when Redis is back.
func TestRecountWaitsForRedis(t *testing.T) {
	db, store := newDatabase(t, server), &memory{}
	w := start(t, db.enforcer, store)
	write(t, w, charged(entry("late")))
	store.lose(true)
	w.Add(entry("late"))
	w.Add(entry("next"))
	testkit.Eventually(t, "both are in the ledger", func() bool { return len(db.ids(t)) == 2 && db.row(t, "late").Amended })
	store.lose(false)
	flush(t, w)
	if recounted := store.recounts(); !slices.Equal(recounted, []string{"acme/acme"}) {
		t.Errorf("recounted %v, want acme", recounted)
	}
}

// TestEnforcersChangeNothingElse: an enforcer may only insert rows into the ledger, and amend rows
// of the same caller that were charged in full.
func TestEnforcersChangeNothingElse(t *testing.T) {
	db, store := newDatabase(t, server), &memory{}
	w := ledger.NewWriter(db.enforcer, store, discard)
	write(t, w, charged(entry("call")))
	for _, statement := range []string{
		"SELECT 1 FROM ai_usage_logs", "UPDATE ai_usage_logs SET cost_nanos = 0", "DELETE FROM ai_usage_logs",
		"SET bursar.late_call = 'call'; UPDATE ai_usage_logs SET cost_nanos = 0",
	} {
		if _, err := db.enforcer.Exec(t.Context(), statement); err == nil {
			t.Errorf("an enforcer may %s", statement)
		}
	}
	foreign := entry("call")
	foreign.Tenant, foreign.Cost = "globex", 0
	write(t, w, foreign)
	other := entry("call")
	other.User, other.Cost = "somebody", 0
	write(t, w, other)
	if got := db.row(t, "call"); got.Cost != held || got.Amended || got.Rows != 1 {
		t.Errorf("another's entry changed the row: %+v", got)
	}
}
