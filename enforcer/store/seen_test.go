package store_test

import (
	"errors"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestCountersGoBack: an enforcer that has seen more of a tenant's calls than its counters know
// admits nothing more, of any tenant, and makes it known that the shard cannot be trusted.
func TestCountersGoBack(t *testing.T) {
	client := newClient(t)
	tenants := map[string]*admission.Tenant{}
	for _, name := range []string{"acme", "globex"} {
		document := limiterv1.Tenant{Level: limiterv1.Level{Tenant: name, TimeZone: "UTC", Money: []limiterv1.MoneyLimit{
			{Name: "yearly", Per: limiterv1.PerTenant, Period: period.Year, Amount: money.USD},
		}}}
		tenant, err := admission.NewTenant(document)
		testkit.Must(t, err)
		testkit.Must(t, openTenant(client, document))
		tenants[name] = tenant
	}
	admitter := admission.NewAdmitter(newStore(client, "session"))
	admit := func(name string) error {
		d, err := admitter.Admit(t.Context(), tenants[name], newCall(tenants[name], money.Cent))
		if err == nil && d.Hold == nil {
			t.Errorf("a call of %s is refused: %+v", name, d.Refusal)
		}
		return err
	}
	for range 5 {
		testkit.Must(t, admit("acme"))
	}
	key, shard := limiterv1.TenantCountersKey("acme", "acme"), limiterv1.Shard("acme")
	older := client.HGetAll(t.Context(), key).Val()
	testkit.Must(t, client.Set(t.Context(), limiterv1.ShardEpochKey(shard), 1, 0).Err())
	testkit.Must(t, admit("acme"))
	testkit.Must(t, client.HSet(t.Context(), key, older).Err())
	for _, name := range []string{"acme", "globex"} {
		if err := admit(name); !errors.Is(err, admission.ErrSuspended) {
			t.Errorf("a call of %s: %v, want %v", name, err, admission.ErrSuspended)
		}
	}
	testkit.Eventually(t, "the shard does not know the epoch any more", func() bool {
		return errors.Is(client.Get(t.Context(), limiterv1.ShardEpochKey(shard)).Err(), goredis.Nil)
	})
}
