package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/ledger"
	"github.com/bursar-dev/bursar/hack/parts/ledgerdb"
)

var server *ledgerdb.Server

func TestMain(m *testing.M) {
	os.Exit(ledgerdb.Use(func(s *ledgerdb.Server) int {
		server = s
		return m.Run()
	}))
}

// database is a ledger: as the enforcer writes it, and as an administrator reads it.
type database struct{ enforcer, admin *pgxpool.Pool }

func newDatabase(t testing.TB, server *ledgerdb.Server) database {
	t.Helper()
	db, err := server.NewDatabase(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	connect := func(dsn string) *pgxpool.Pool {
		pool, err := pgxpool.New(context.Background(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		return pool
	}
	return database{enforcer: connect(db.Enforcer), admin: connect(db.Admin)}
}

// ids are the calls in the ledger, in the order in which they were written.
func (db database) ids(t testing.TB) (ids []string) {
	t.Helper()
	err := db.admin.QueryRow(context.Background(),
		`SELECT coalesce(array_agg(call_id ORDER BY recorded_at, call_id), '{}') FROM ai_usage_logs`).Scan(&ids)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// memory is a store that knows which calls it was told to forget.
type memory struct {
	mu        sync.Mutex
	forgotten []string
	// settled are the entries that it keeps.
	settled map[string][]byte
	// recounted are the tenants that it was told to have recounted.
	recounted []string
	lost      bool
}

func (m *memory) Forget(_ context.Context, tenant string, ids []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lost {
		return errors.New("the store is lost")
	}
	for _, id := range ids {
		m.forgotten = append(m.forgotten, tenant+"/"+id)
		delete(m.settled, id)
	}
	return nil
}

// settle keeps an entry, as the limiter's store does until it is told to forget.
func (m *memory) settle(e ledgerv1.Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.settled == nil {
		m.settled = map[string][]byte{}
	}
	m.settled[e.CallID] = e.Encode()
}

func (m *memory) Settled(_ context.Context, take func([][]byte) error) error {
	m.mu.Lock()
	lost, settled := m.lost, slices.Collect(maps.Values(m.settled))
	m.mu.Unlock()
	if lost {
		return errors.New("the store is lost")
	}
	for page := range slices.Chunk(settled, 2) {
		if err := take(page); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Recount(_ context.Context, root string, tenants []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lost {
		return errors.New("the store is lost")
	}
	for _, tenant := range tenants {
		m.recounted = append(m.recounted, root+"/"+tenant)
	}
	return nil
}

// recounts are the tenants that were recounted since it was asked last.
func (m *memory) recounts() (tenants []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	tenants, m.recounted = m.recounted, nil
	return slices.Compact(slices.Sorted(slices.Values(tenants)))
}

func (m *memory) lose(lost bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lost = lost
}

func (m *memory) ids() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(slices.Values(m.forgotten))
}

// start runs a Writer until the test ends.
func start(t testing.TB, db ledger.Database, store ledger.Outbox) *ledger.Writer {
	t.Helper()
	w := ledger.NewWriter(db, store, discard)
	untilTheEnd(t, w.Run)
	return w
}

// untilTheEnd runs something until the test ends.
func untilTheEnd(t testing.TB, run func(context.Context)) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
}

func flush(t testing.TB, w *ledger.Writer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

var discard = slog.New(slog.DiscardHandler)

var admitted = time.Date(2026, 11, 23, 12, 0, 0, 123456000, time.UTC)

// entry is a call in which no two numbers are the same.
func entry(id string) ledgerv1.Entry {
	first := 1500 * time.Millisecond
	return ledgerv1.Entry{
		OpenCall: limiterv1.OpenCall{
			CallID: id, Tenant: "acme", User: "gerente-1", Tier: "gerente", Credential: "acme/gerente-1-key", Model: "mini", Root: "acme", Tokens: 16,
		},
		Provider: "openai", ModelAsked: "mini", ModelUsed: "mini-2026", Endpoint: "/v1/chat/completions",
		Streamed: true, Session: "session-1",
		AdmittedAt: admitted, SettledAt: admitted.Add(3 * time.Second),
		Outcome: ledgerv1.Settled, Usage: price.Usage{
			Input: 11, CachedInput: 12, CacheWrite5m: 21, CacheWrite1h: 22, AudioInput: 23, CachedAudioInput: 24,
			Output: 13, AudioOutput: 25, ImageOutput: 26, Reasoning: 7, ServiceTier: "flex",
			Properties: "inference_geo=us", Uses: "web_search=3",
		},
		Held: 14 * money.Cent, Cost: 15 * money.Cent,
		Duration: 2999 * time.Millisecond, TimeToFirstToken: &first,
	}
}

func number(i int) string { return fmt.Sprintf("call-%06d", i) }
