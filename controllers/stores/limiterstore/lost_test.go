package limiterstore_test

import (
	"errors"
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestNoCountersOfALostEpoch: who counts a tenant while Redis loses its data does not make
// counters valid under the epoch that is lost: enforcers that have not heard of the loss would
// admit calls by them, beside all that is open.
func TestNoCountersOfALostEpoch(t *testing.T) {
	testkit.Must(t, client.FlushAll(t.Context()).Err())
	epochs, counters := limiterstore.NewEpochs(client), limiterstore.NewCounters(client)
	found, err := epochs.Inspect(t.Context())
	testkit.Must(t, err)
	testkit.Must(t, epochs.Begin(t.Context(), limiterv1.Epoch{}, 1, found.Runs()))
	testkit.Must(t, epochs.Complete(t.Context(), 1, found.Runs()))
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
	if left := client.Keys(t.Context(), "*").Val(); len(left) > 0 {
		t.Errorf("left in Redis: %v", left)
	}
}
