package recovery_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/controllers/recovery"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// acmeDocument names the document of acme.
var acmeDocument = limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: "acme"}

// configure puts the document of acme, and says that the configuration is complete.
func (w *world) configure(t *testing.T) {
	t.Helper()
	_, err := limiterstore.NewDocuments(w.redis).Put(t.Context(), acmeDocument, acme)
	testkit.Must(t, err)
	configurations := limiterstore.NewConfigurations(w.redis)
	incarnation, err := configurations.Incomplete(t.Context())
	testkit.Must(t, err)
	testkit.Must(t, configurations.Complete(t.Context(), incarnation))
}

// startWithoutLeader runs rebuilders of managers that cannot know who leads, as while the
// API server is away, until the test ends.
func (w *world) startWithoutLeader(t *testing.T, rebuilders int) {
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range rebuilders {
		rebuilder := recovery.NewRebuilder(recovery.RebuilderOptions{
			Epochs: lookedAt{w.epochs, &w.looks}, Enforcers: w.enforcers, Calls: w.calls, Numbers: w.numbers, Ledger: w.ledger,
			Turn: budgetstore.NewTurn(w.manager), Configurations: limiterstore.NewConfigurations(w.redis), Recounter: w.recounter(),
			Leads: make(chan struct{}),
		})
		all.Go(func() { _ = rebuilder.Start(ctx) })
	}
	t.Cleanup(func() {
		stop()
		all.Wait()
	})
}

// looksTwice waits until each of so many rebuilders has looked twice.
func (w *world) looksTwice(t *testing.T, rebuilders int64) {
	t.Helper()
	before := w.looks.Load()
	testkit.Eventually(t, "every rebuilder has looked twice", func() bool { return w.looks.Load() >= before+3*rebuilders })
}

// valid fails unless the counters of acme are valid and have spent so much.
func (w *world) valid(ctx context.Context, t *testing.T, epoch limiterv1.Epoch, spent money.Nanos) error {
	field := limiterv1.MoneyField(daily(limiterv1.PerTenant))
	open, valid, err := w.counters.Valid(ctx, tenantCounters(epoch), field)
	if err != nil || !open || !valid[0] {
		return fmt.Errorf("open %t, valid %v, %w", open, valid, err)
	}
	if got := w.counter(t, limiterv1.TenantCountersKey("acme", "acme"), field).Spent; got != spent {
		return fmt.Errorf("spent %s, want %s", got, spent)
	}
	return nil
}

// TestRestoredWithoutTheAPIServer: managers that do not lead, and have nothing but what
// they remember and the stores, make a Redis that lost everything as it was.
func TestRestoredWithoutTheAPIServer(t *testing.T) {
	w := newWorld(t)
	at := w.now(t)
	w.toLedger(t, acmeCall("in-the-ledger", at, 40*money.Cent, true))
	w.startWithoutLeader(t, 2)
	epoch := w.completed(t, 0)
	w.configure(t)
	w.looksTwice(t, 2)
	for round := range 3 {
		testkit.Must(t, w.redis.FlushAll(t.Context()).Err())
		begin := time.Now()
		epoch = w.completed(t, epoch.Number)
		testkit.EventuallySucceeds(t, "the counters of acme are valid", func() error { return w.valid(t.Context(), t, epoch, 40*money.Cent) })
		t.Logf("loss %d: over after %s", round+1, time.Since(begin).Round(time.Millisecond))
		incomplete, err := limiterstore.NewConfigurations(w.redis).Incomplete(t.Context())
		testkit.Must(t, err)
		document, found, err := limiterstore.NewDocuments(w.redis).Tenant(t.Context(), "acme")
		testkit.Must(t, err)
		if !found || document.TimeZone != acme.TimeZone || incomplete != "" {
			t.Fatalf("acme is there: %t, %+v; incomplete %q", found, document, incomplete)
		}
		w.looksTwice(t, 2)
	}
}

// TestOnlyTheConfigurationIsLost: no new epoch begins for it.
func TestOnlyTheConfigurationIsLost(t *testing.T) {
	w := newWorld(t)
	w.startWithoutLeader(t, 2)
	epoch := w.completed(t, 0)
	w.configure(t)
	w.looksTwice(t, 2)
	testkit.Must(t, w.redis.Del(t.Context(), limiterv1.DocumentsKey, limiterv1.ChangesKey, limiterv1.RevisionKey, limiterv1.IncarnationKey, limiterv1.CompleteKey).Err())
	begin := time.Now()
	testkit.Eventually(t, "the document is there again", func() bool {
		_, found, err := limiterstore.NewDocuments(w.redis).Tenant(t.Context(), "acme")
		return err == nil && found
	})
	t.Logf("the configuration alone was lost: restored after %s, in the same epoch", time.Since(begin).Round(time.Millisecond))
	now, err := w.epochs.Current(t.Context())
	testkit.Must(t, err)
	if now.Number != epoch.Number {
		t.Errorf("epoch %d, want %d still", now.Number, epoch.Number)
	}
}

// TestOneTurn: of two managers that want to rebuild, one does at a time, and the other
// does when it ends or has not kept it.
func TestOneTurn(t *testing.T) {
	w := newWorld(t)
	first, second := budgetstore.NewTurn(w.manager), budgetstore.NewTurn(w.manager)
	take := func(turn *budgetstore.Turn, want bool) {
		t.Helper()
		if taken, err := turn.Take(t.Context()); err != nil || taken != want {
			t.Errorf("taken: %t, %v; want %t", taken, err, want)
		}
	}
	take(first, true)
	take(first, true)
	take(second, false)
	testkit.Must(t, second.End(t.Context())) // which is not its own to end
	take(second, false)
	testkit.Must(t, first.End(t.Context()))
	take(second, true)
	take(first, false)
	_, err := w.manager.Exec(t.Context(), "UPDATE limiter_epoch SET rebuilder_until = now() - interval '1 ms'") // it was stopped for so long
	testkit.Must(t, err)
	take(first, true)
	take(second, false)
}
