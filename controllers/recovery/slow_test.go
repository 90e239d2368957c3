package recovery_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/controllers/recovery"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// holdUp has everybody who reads calls in the ledger wait until letGo is called.
func (w *world) holdUp(t *testing.T) (letGo func()) {
	t.Helper()
	admin, err := pgx.Connect(t.Context(), w.adminDSN)
	testkit.Must(t, err)
	t.Cleanup(func() { _ = admin.Close(context.WithoutCancel(t.Context())) })
	exec := func(statement string) {
		t.Helper()
		_, err := admin.Exec(t.Context(), statement)
		testkit.Must(t, err)
	}
	exec("CREATE POLICY slow ON ai_usage_logs AS RESTRICTIVE FOR SELECT TO bursar_manager USING (pg_advisory_xact_lock_shared(1)::text IS NOT NULL)")
	exec("SELECT pg_advisory_lock(1)")
	return func() { exec("SELECT pg_advisory_unlock(1)") }
}

func (w *world) recountWithin(t *testing.T, recounter *recovery.Recounter, document limiterv1.Tenant, timeout time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	return recounter.Recount(ctx, document)
}

// TestMuchToCount: a tenant with more to count than its caller has time for is counted all the same. Callers are told
// meanwhile that it is not valid yet, and are not kept waiting.
func TestMuchToCount(t *testing.T) {
	w := newWorld(t)
	w.start(t, 1)
	epoch := w.completed(t, 0)
	w.toLedger(t, acmeCall("in-the-ledger", w.now(t), 40*money.Cent, true))
	letGo := w.holdUp(t)
	recounter := w.recounter()
	for range 3 {
		if err := w.recountWithin(t, recounter, acme, 100*time.Millisecond); !errors.Is(err, limiterstore.ErrNotValid) {
			t.Errorf("a tenant that is still being counted: %v, want %v", err, limiterstore.ErrNotValid)
		}
	}
	letGo()
	field := limiterv1.MoneyField(daily(limiterv1.PerTenant))
	testkit.Eventually(t, "the tenant is counted, though nobody asks again", func() bool {
		admits, valid, err := w.counters.Valid(t.Context(), tenantCounters(epoch), field)
		return err == nil && admits && valid[0]
	})
	if got := w.counter(t, limiterv1.TenantCountersKey("acme", "acme"), field).Spent; got != 40*money.Cent {
		t.Errorf("%s spent, want 0.40", got)
	}
	testkit.Must(t, w.recountWithin(t, recounter, acme, time.Minute))
}

// TestWhoWaitsTakesNoPlace: a caller that waits for a tenant that is already being counted does not keep another
// tenant's recount from going on after its caller has stopped waiting.
func TestWhoWaitsTakesNoPlace(t *testing.T) {
	w := newWorld(t)
	w.start(t, 1)
	epoch := w.completed(t, 0)
	at := w.now(t)
	globex, call := acme, acmeCall("of-globex", at, 40*money.Cent, true)
	globex.Tenant, call.Tenant, call.Root = "globex", "globex", "globex"
	w.toLedger(t, acmeCall("of-acme", at, 40*money.Cent, true), call)
	letGo := w.holdUp(t)
	asked := make(chan struct{}, 8)
	recounter := recovery.NewRecounter(limiterstore.NewDocuments(w.redis), noted{w.epochs, asked}, w.counters, w.calls, w.ledger)
	if err := w.recountWithin(t, recounter, acme, 100*time.Millisecond); !errors.Is(err, limiterstore.ErrNotValid) {
		t.Fatalf("a tenant that is still being counted: %v, want %v", err, limiterstore.ErrNotValid)
	}
	<-asked
	waited := make(chan error, 1)
	go func() { waited <- recounter.Recount(t.Context(), acme) }()
	<-asked
	if err := w.recountWithin(t, recounter, globex, 100*time.Millisecond); !errors.Is(err, limiterstore.ErrNotValid) {
		t.Errorf("another tenant that is still being counted: %v, want %v", err, limiterstore.ErrNotValid)
	}
	letGo()
	testkit.Must(t, <-waited)
	testkit.Eventually(t, "the other tenant is counted, though nobody asks again", func() bool {
		counters := limiterstore.TenantCounters{Root: "globex", Tenant: "globex", Epoch: epoch}
		admits, valid, err := w.counters.Valid(t.Context(), counters, limiterv1.MoneyField(daily(limiterv1.PerTenant)))
		return err == nil && admits && valid[0]
	})
}

// noted notes that it was asked for the epoch.
type noted struct {
	recovery.CurrentEpoch
	asked chan<- struct{}
}

func (n noted) Current(ctx context.Context) (limiterv1.Epoch, error) {
	n.asked <- struct{}{}
	return n.CurrentEpoch.Current(ctx)
}

// TestNobodyGoesOnCounting: a recount ends when its caller cancels it, and when the ledger does not answer.
func TestNobodyGoesOnCounting(t *testing.T) {
	w := newWorld(t)
	w.start(t, 1)
	epoch := w.completed(t, 0)
	w.toLedger(t, acmeCall("in-the-ledger", w.now(t), 40*money.Cent, true))
	w.holdUp(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if err := w.recounter().Recount(ctx, acme); !errors.Is(err, context.Canceled) {
		t.Errorf("who is told to end: %v, want %v", err, context.Canceled)
	}
	away := recovery.NewRecounter(limiterstore.NewDocuments(w.redis), w.epochs, w.counters, w.calls, pingless{w.ledger})
	if err := w.recountWithin(t, away, acme, 100*time.Millisecond); !errors.Is(err, budgetstore.ErrUnavailable) {
		t.Errorf("the ledger does not answer: %v, want %v", err, budgetstore.ErrUnavailable)
	}
	testkit.Eventually(t, "no query of the calls is left", func() bool {
		var left int
		err := w.manager.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND NOT granted").Scan(&left)
		return err == nil && left == 0
	})
	_, valid, err := w.counters.Valid(t.Context(), tenantCounters(epoch), limiterv1.MoneyField(daily(limiterv1.PerTenant)))
	if err != nil || valid[0] {
		t.Errorf("the tenant's counters are valid: %v, %v", valid, err)
	}
}

// pingless is a ledger that does not answer a ping.
type pingless struct{ *budgetstore.LedgerReader }

func (pingless) Ping(context.Context) error { return budgetstore.ErrUnavailable }
