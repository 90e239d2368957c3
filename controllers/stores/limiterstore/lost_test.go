package limiterstore_test

import (
	"errors"
	"strings"
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestNoCountersOfALostEpoch: a recount during which Redis loses its data does not make
// counters valid under the lost epoch. Otherwise enforcers that have not heard of the loss
// would admit calls by them, in addition to all that is open.
func TestNoCountersOfALostEpoch(t *testing.T) {
	testkit.Must(t, client.FlushAll(t.Context()).Err())
	epochs, counters := limiterstore.NewEpochs(client), limiterstore.NewCounters(client)
	found, err := epochs.Inspect(t.Context())
	testkit.Must(t, err)
	testkit.Must(t, epochs.Begin(t.Context(), limiterv1.Epoch{}, 1, found.Runs()))
	testkit.Must(t, epochs.Complete(t.Context(), 1, found.Runs(), nil))
	epoch, err := epochs.Current(t.Context())
	testkit.Must(t, err)
	tenant := limiterstore.TenantCounters{Root: "acme", Tenant: "acme", Epoch: epoch}
	suspended, err := counters.SuspendTenant(t.Context(), tenant, true, "money:Day")
	if err != nil || suspended == nil {
		t.Fatalf("suspended %v, %v", suspended, err)
	}
	testkit.Must(t, client.FlushAll(t.Context()).Err())
	if suspended, err := counters.SuspendTenant(t.Context(), tenant, true, "money:Day"); !errors.Is(err, limiterstore.ErrSuperseded) {
		t.Errorf("suspended %v, %v; want that the epoch is not there", suspended, err)
	}
	if err := counters.Forget(t.Context(), tenant, "former"); !errors.Is(err, limiterstore.ErrSuperseded) {
		t.Errorf("the counters are forgotten: %v; want that the epoch is not there", err)
	}
	if left := client.Keys(t.Context(), "*").Val(); len(left) > 0 {
		t.Errorf("left in Redis: %v", left)
	}
}

// TestNoSnapshotOfAnEarlierEpoch: if a call ends after another epoch was opened, and before
// its tenant is recounted under it, its cost is in the ledger but not in the counters, so no
// snapshot is taken.
func TestNoSnapshotOfAnEarlierEpoch(t *testing.T) {
	testkit.Must(t, client.FlushAll(t.Context()).Err())
	epochs, counters := limiterstore.NewEpochs(client), limiterstore.NewCounters(client)
	found, err := epochs.Inspect(t.Context())
	testkit.Must(t, err)
	snapshot := func() error {
		_, err := counters.Snapshot(t.Context(), "acme", "acme", []limiterv1.MoneyLimit{{Per: limiterv1.PerTenant, Period: period.Day}}, nil)
		return err
	}
	for number := range int64(2) {
		was, err := epochs.Current(t.Context())
		testkit.Must(t, err)
		testkit.Must(t, epochs.Begin(t.Context(), was, number+1, found.Runs()))
		testkit.Must(t, epochs.Complete(t.Context(), number+1, found.Runs(), nil))
		if err := snapshot(); !errors.Is(err, limiterstore.ErrNotValid) {
			t.Errorf("before the tenant is counted under epoch %d there is a snapshot: %v", number+1, err)
		}
		epoch, err := epochs.Current(t.Context())
		testkit.Must(t, err)
		suspended, err := counters.SuspendTenant(t.Context(), limiterstore.TenantCounters{Root: "acme", Tenant: "acme", Epoch: epoch}, true, "money:Day")
		testkit.Must(t, err)
		testkit.Must(t, suspended.Resume(t.Context(), map[string][]byte{"money:Day": {}}, suspended.Missing...))
		testkit.Must(t, snapshot())
	}
}

// TestLostBeforeItIsComplete: an epoch does not become valid over a master that has lost its
// data since the rebuild last looked, and with it what was announced.
func TestLostBeforeItIsComplete(t *testing.T) {
	testkit.Must(t, client.FlushAll(t.Context()).Err())
	epochs := limiterstore.NewEpochs(client)
	found, err := epochs.Inspect(t.Context())
	testkit.Must(t, err)
	testkit.Must(t, epochs.Begin(t.Context(), limiterv1.Epoch{}, 1, found.Runs()))
	seen := found.Marks.Above(nil, 1000)
	testkit.Must(t, epochs.Raise(t.Context(), nil, seen))
	testkit.Must(t, client.Del(t.Context(), limiterv1.MarkKey(0)).Err())
	if err := epochs.Complete(t.Context(), 1, found.Runs(), seen); !errors.Is(err, limiterstore.ErrGoneBack) {
		t.Errorf("completed: %v, want %v", err, limiterstore.ErrGoneBack)
	}
	if epoch, err := epochs.Current(t.Context()); err != nil || epoch.State != limiterv1.EpochRebuilding {
		t.Errorf("the epoch is %+v, want one that is being rebuilt: %v", epoch, err)
	}
}

// TestWithdrawnInMidCount: the calls of a deleted tenant end even if the manager that was
// setting its counters has died. Should that manager live, it has to begin anew.
func TestWithdrawnInMidCount(t *testing.T) {
	store := newStore(t)
	epochs, counters := limiterstore.NewEpochs(client), limiterstore.NewCounters(client)
	found, err := epochs.Inspect(t.Context())
	testkit.Must(t, err)
	testkit.Must(t, epochs.Begin(t.Context(), limiterv1.Epoch{}, 1, found.Runs()))
	testkit.Must(t, epochs.Complete(t.Context(), 1, found.Runs(), nil))
	epoch, err := epochs.Current(t.Context())
	testkit.Must(t, err)
	put(t, store, acme, document("u1", 1, "UTC"))
	suspended, err := counters.SuspendTenant(t.Context(), limiterstore.TenantCounters{Root: "acme", Tenant: "acme", Epoch: epoch}, true, "money:Day")
	testkit.Must(t, err)

	if withdrawn, err := store.Withdraw(t.Context(), acme, "u2"); err != nil || withdrawn {
		t.Fatalf("withdrawn %t by another object, %v", withdrawn, err)
	}
	before := client.HGet(t.Context(), limiterv1.TenantCountersKey("acme", "acme"), limiterv1.EpochField).Val()
	if !strings.HasPrefix(before, "closed:1:") || before == "closed:1:" {
		t.Errorf("after another object was withdrawn the counters are %q, want that who counts goes on", before)
	}
	if withdrawn, err := store.Withdraw(t.Context(), acme, "u1"); err != nil || !withdrawn {
		t.Fatalf("withdrawn %t, %v", withdrawn, err)
	}
	if got := client.HGet(t.Context(), limiterv1.TenantCountersKey("acme", "acme"), limiterv1.EpochField).Val(); got != "closed:1:" {
		t.Errorf("the counters are %q, want that nobody is waited for", got)
	}
	if err := suspended.Resume(t.Context(), nil); !errors.Is(err, limiterstore.ErrSuperseded) {
		t.Errorf("resumed: %v, want %v", err, limiterstore.ErrSuperseded)
	}
}
