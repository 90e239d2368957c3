package ledger_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/ledger"
	"github.com/bursar-dev/bursar/hack/parts/ledgerdb"
	"github.com/bursar-dev/bursar/hack/testkit"
)

func TestRow(t *testing.T) {
	db := newDatabase(t, server)
	w := start(t, db.enforcer, &memory{})
	voided := entry("voided")
	voided.Outcome, voided.Cost, voided.Usage, voided.TimeToFirstToken, voided.Streamed = ledgerv1.Voided, 0, price.Usage{}, nil, false
	overrun := entry("overrun")
	overrun.IdentityProvider, overrun.Subject, overrun.Actor = "company", "4711", "server"
	overrun.Groups, overrun.Labels = []string{"eu, west", "research"}, map[string]string{"cost-centre": "47 \"11\""}
	overrun.Ancestors, overrun.Decision, overrun.PricedAs = []string{"region", "group"}, ledgerv1.Shadowed, ledgerv1.MostExpensive
	overrun.OutputLoweredBy, overrun.MaxOutputTokens, overrun.Saved = ledgerv1.LoweredByFit, 2048, 3*money.Cent
	w.Add(overrun)
	w.Add(voided)
	flush(t, w)

	row := map[string]any{
		"call_id": "overrun", "tenant_id": "acme", "user_id": "gerente-1", "tier": "gerente", "credential": "acme/gerente-1-key",
		"identity_provider": "company", "subject": "4711", "actor": "server", "ancestors": []any{"region", "group"}, "groups": []any{"eu, west", "research"},
		"labels": map[string]any{"cost-centre": "47 \"11\""}, "provider": "openai", "model": "mini", "model_asked": "mini", "model_used": "mini-2026", "endpoint": "/v1/chat/completions",
		"streamed": true, "admitted_at": "2026-11-23T12:00:00.123456+00:00", "settled_at": "2026-11-23T12:00:03.123456+00:00",
		"outcome": "Settled", "decision": "Shadowed", "priced_as": "MostExpensive", "input_tokens": 11.0, "cached_input_tokens": 12.0, "output_tokens": 13.0,
		"cache_write_5m_tokens": 21.0, "cache_write_1h_tokens": 22.0, "audio_input_tokens": 23.0, "cached_audio_input_tokens": 24.0,
		"audio_output_tokens": 25.0, "image_output_tokens": 26.0, "reasoning_tokens": 7.0, "service_tier": "flex",
		"price_properties": "inference_geo=us", "fee_uses": "web_search=3", "output_lowered_by": "Fit", "max_output_tokens": 2048.0,
		"held_nanos": 140_000_000.0, "cost_nanos": 150_000_000.0, "overrun_nanos": 10_000_000.0, "cost_cents": 15.0, "saved_nanos": 30_000_000.0,
		"duration_ms": 2999.0, "time_to_first_token_ms": 1500.0, "session": "session-1",
	}
	wantRow(t, db, "ai_usage_logs", row)
	maps.Copy(row, map[string]any{
		"call_id": "voided", "identity_provider": "", "subject": "", "actor": "", "ancestors": []any{}, "groups": []any{}, "labels": map[string]any{}, "decision": "Admitted", "priced_as": "Listed", "outcome": "Voided", "streamed": false, "input_tokens": 0.0, "cached_input_tokens": 0.0, "output_tokens": 0.0,
		"cache_write_5m_tokens": 0.0, "cache_write_1h_tokens": 0.0, "audio_input_tokens": 0.0, "cached_audio_input_tokens": 0.0,
		"audio_output_tokens": 0.0, "image_output_tokens": 0.0, "reasoning_tokens": 0.0, "service_tier": "",
		"price_properties": "", "fee_uses": "", "output_lowered_by": "", "max_output_tokens": nil,
		"cost_nanos": 0.0, "overrun_nanos": 0.0, "cost_cents": 0.0, "saved_nanos": 0.0, "time_to_first_token_ms": nil,
	})
	wantRow(t, db, "ai_usage_logs", row)
}

// wantRow checks the row that a table has of a call.
func wantRow(t *testing.T, db database, table string, want map[string]any) {
	t.Helper()
	var raw []byte
	err := db.admin.QueryRow(t.Context(),
		`SELECT to_jsonb(l) - ARRAY['recorded_at', 'amended_at', 'charged_before_nanos'] FROM `+table+` l WHERE call_id = $1 AND recorded_at IS NOT NULL`, want["call_id"]).Scan(&raw)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("row:\n got %v\nwant %v", got, want)
	}
}

func TestEveryCallOnceAndInOrder(t *testing.T) {
	db, store := newDatabase(t, server), &memory{}
	w := start(t, db.enforcer, store)
	var ids, forgotten []string
	for i := range 2345 {
		e := entry(number(i))
		e.Root = fmt.Sprint("root-", i%3)
		w.Add(e)
		ids = append(ids, e.CallID)
		forgotten = append(forgotten, e.Root+"/"+e.CallID)
	}
	flush(t, w)
	again := entry(number(7))
	again.Cost = 99 * money.USD // what was recorded first stands
	w.Add(again)
	flush(t, w)
	if got := db.ids(t); !slices.Equal(got, ids) {
		t.Errorf("%d calls in the ledger, want %d in the order in which they were added", len(got), len(ids))
	}
	var cost int64
	if err := db.admin.QueryRow(t.Context(), `SELECT cost_nanos FROM ai_usage_logs WHERE call_id = $1`, number(7)).Scan(&cost); err != nil {
		t.Fatal(err)
	}
	if cost != int64(15*money.Cent) {
		t.Errorf("a repeat changed the cost to %s", money.Nanos(cost))
	}
	forgotten = append(forgotten, "acme/"+number(7))
	slices.Sort(forgotten)
	if got := store.ids(); !slices.Equal(got, forgotten) {
		t.Errorf("%d calls forgotten, want %d", len(got), len(forgotten))
	}
}

// TestVisibleSoon: a call is in the ledger within 100 ms, as DESIGN promises.
func TestVisibleSoon(t *testing.T) {
	db := newDatabase(t, server)
	w := start(t, db.enforcer, &memory{})
	var took []time.Duration
	for i := range 21 {
		begin := time.Now()
		w.Add(entry(number(i)))
		testkit.Eventually(t, "the call is in the ledger", func() bool { return len(db.ids(t)) > i })
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	if median := took[len(took)/2]; median > 100*time.Millisecond {
		t.Errorf("half of the calls took more than %s: %v", median, took)
	}
}

// TestTextThatPostgresRefuses: a caller may ask for a model of any name.
func TestTextThatPostgresRefuses(t *testing.T) {
	db, store := newDatabase(t, server), &memory{}
	w := start(t, db.enforcer, store)
	e := entry("nul")
	e.ModelAsked = "a\x00b\xff"
	w.Add(e)
	flush(t, w)
	var asked string
	if err := db.admin.QueryRow(t.Context(), `SELECT model_asked FROM ai_usage_logs WHERE call_id = 'nul'`).Scan(&asked); err != nil {
		t.Fatal(err)
	}
	if asked != "a\uFFFDb\uFFFD" {
		t.Errorf("model asked: %q", asked)
	}
}

// TestRowsThatPostgresRefuses: such rows do not block others, and stay in Redis.
func TestRowsThatPostgresRefuses(t *testing.T) {
	db, store := newDatabase(t, server), &memory{}
	w := ledger.NewWriter(db.enforcer, store, discard)
	var ids, forgotten []string
	for i := range 1000 {
		e := entry(number(i))
		switch {
		case i%333 == 1:
			e.Outcome = "Nonsense" // against a check
		case i == 500:
			e.AdmittedAt = time.Date(300_000, 1, 1, 0, 0, 0, 0, time.UTC) // beyond what Postgres can tell
		default:
			ids = append(ids, e.CallID)
			forgotten = append(forgotten, "acme/"+e.CallID)
		}
		w.Add(e)
	}
	run, stop := context.WithCancel(t.Context())
	defer stop()
	go w.Run(run)
	flush(t, w)
	if got := db.ids(t); !slices.Equal(got, ids) {
		t.Errorf("%d calls in the ledger, want %d", len(got), len(ids))
	}
	if got := w.Refused(); got != 4 {
		t.Errorf("%d calls refused, want 4", got)
	}
	if got := store.ids(); !slices.Equal(got, forgotten) {
		t.Errorf("%d calls forgotten, want the %d that were written", len(got), len(forgotten))
	}
}

// TestLossOfPostgres: calls wait while it is away, also when it goes in the midst
// of writing, and none is lost, repeated or out of order.
func TestLossOfPostgres(t *testing.T) {
	opts := ledgerdb.Options{Dir: t.TempDir()}
	own, err := ledgerdb.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	db, store := newDatabase(t, own), &memory{}
	w := start(t, db.enforcer, store)
	var ids []string
	add := func(n int) {
		for range n {
			e := entry(number(len(ids)))
			ids = append(ids, e.CallID)
			w.Add(e)
		}
	}
	opts.Port = own.Port()
	for range 3 {
		add(2000)
		testkit.Eventually(t, "some calls are written", func() bool { return len(store.ids()) > len(ids)-2000 })
		if err := own.Crash(); err != nil {
			t.Fatal(err)
		}
		add(100)
		if w.Waiting() < 100 {
			t.Fatalf("%d calls wait for a Postgres that is gone, want at least 100", w.Waiting())
		}
		_ = own.Stop()
		if own, err = ledgerdb.Start(t.Context(), opts); err != nil {
			t.Fatal(err)
		}
	}
	defer func() { _ = own.Stop() }()
	flush(t, w)
	if got := db.ids(t); !slices.Equal(got, ids) {
		t.Errorf("%d calls in the ledger, want %d in the order in which they were added", len(got), len(ids))
	}
	if got := len(store.ids()); got != len(ids) {
		t.Errorf("%d calls forgotten, want %d", got, len(ids))
	}
}

// TestFullDisk: while Postgres answers but accepts no calls, the writer says since when. The calls
// are written once there is room.
func TestFullDisk(t *testing.T) {
	db, store := newDatabase(t, server), &memory{}
	w := start(t, db.enforcer, store)
	w.Add(entry("before"))
	flush(t, w)
	if since, failing := w.FailingSince(); failing {
		t.Errorf("it is said to fail since %s", since)
	}
	const full = `
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON ai_usage_logs FOR EACH ROW EXECUTE FUNCTION full_disk()`
	_, err := db.admin.Exec(t.Context(), full)
	testkit.Must(t, err)
	begin := time.Now()
	w.Add(entry("meanwhile"))
	testkit.Eventually(t, "writing fails again and again", func() bool { return w.Failures() > 1 })
	if since, failing := w.FailingSince(); !failing || since.Before(begin) || time.Since(since) < 0 {
		t.Errorf("it is said to fail (%t) since %s, want since %s", failing, since, begin)
	}
	_, err = db.admin.Exec(t.Context(), "DROP TRIGGER full_disk ON ai_usage_logs")
	testkit.Must(t, err)
	flush(t, w)
	if since, failing := w.FailingSince(); failing {
		t.Errorf("it is said to fail since %s, when all is written", since)
	}
	if got := db.ids(t); !slices.Equal(got, []string{"before", "meanwhile"}) {
		t.Errorf("the ledger has %v", got)
	}
}

// TestLossOfRedis: calls are written to the ledger all the same, and dropped from Redis later.
func TestLossOfRedis(t *testing.T) {
	db, store := newDatabase(t, server), &memory{}
	store.lose(true)
	w := start(t, db.enforcer, store)
	for i := range 1200 {
		w.Add(entry(number(i)))
	}
	testkit.Eventually(t, "all calls are in the ledger", func() bool { return len(db.ids(t)) == 1200 })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := w.Flush(ctx); err == nil {
		t.Error("flushed, though nothing is forgotten")
	}
	store.lose(false)
	flush(t, w)
	if got := len(store.ids()); got != 1200 {
		t.Errorf("%d calls forgotten, want 1200", got)
	}
}

// TestMemoryIsBounded: calls that find no room are counted, stay in Redis, and are read
// back from there once the others are written.
func TestMemoryIsBounded(t *testing.T) {
	db, store := newDatabase(t, server), &memory{}
	w := ledger.NewWriter(db.enforcer, store, discard)
	w.SetLimit(3)
	var ids []string
	for i := range 10 {
		e := entry(number(i))
		if i == 7 {
			e.Outcome = "Nonsense" // which the database refuses
		} else {
			ids = append(ids, e.CallID)
		}
		store.settle(e)
		w.Add(e)
	}
	if w.Waiting() != 3 || w.Left() != 7 || w.Missing() != 7 {
		t.Errorf("%d calls wait, %d found no room and %d are missing, want 3, 7 and 7", w.Waiting(), w.Left(), w.Missing())
	}
	store.lose(true)
	untilTheEnd(t, w.Run)
	testkit.Eventually(t, "what was in memory is written", func() bool { return len(db.ids(t)) == 3 })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := w.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) || w.Missing() != 7 {
		t.Errorf("flushed, though 7 calls are in Redis alone: %v, %d are missing", err, w.Missing())
	}
	store.lose(false)
	flush(t, w)
	if got := slices.Sorted(slices.Values(db.ids(t))); !slices.Equal(got, ids) {
		t.Errorf("in the ledger: %v, want %v", got, ids)
	}
	if len(store.settled) != 1 || w.Refused() != 1 {
		t.Errorf("Redis keeps %d calls, and %d were refused; want 1 and the same", len(store.settled), w.Refused())
	}
}

func TestFlushGivesUp(t *testing.T) {
	db := newDatabase(t, server)
	w := ledger.NewWriter(db.enforcer, &memory{}, discard) // which does not run
	w.Add(entry("waits"))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := w.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) || w.Waiting() != 1 {
		t.Errorf("got %v, and %d calls wait; want that it gave up, and 1", err, w.Waiting())
	}
}

// BenchmarkWriter measures how many calls a second one enforcer can record.
func BenchmarkWriter(b *testing.B) {
	db := newDatabase(b, server)
	w := start(b, db.enforcer, &memory{})
	begin, calls := time.Now(), 0
	for b.Loop() {
		w.Add(entry(number(calls)))
		calls++
	}
	flush(b, w)
	b.ReportMetric(float64(calls)/time.Since(begin).Seconds(), "calls/s")
}
