package store_test

import (
	"errors"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/hack/parts/redis"
)

// TestARedisThatWasStartedAgainAdmitsNothing, whatever it still has, until an epoch is
// valid in it.
func TestARedisThatWasStartedAgainAdmitsNothing(t *testing.T) {
	ctx := t.Context()
	options := redis.Options{Dir: t.TempDir(), AppendOnly: true}
	own, err := redis.Start(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	options.Port = own.Port
	client := goredis.NewClient(&goredis.Options{Addr: own.Addr})
	t.Cleanup(func() { _ = client.Close() })
	doc := limiterv1.Tenant{Level: limiterv1.Level{Tenant: "acme", TimeZone: "UTC", Money: dollarAYear()}}
	tenant, err := admission.NewTenant(doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := openTenant(client, doc); err != nil {
		t.Fatal(err)
	}
	s := newStore(client, "session")
	admitter := admission.NewAdmitter(s)
	first, err := admitter.Admit(ctx, tenant, newCall(tenant, money.Cent))
	if err != nil || first.Hold == nil {
		t.Fatalf("the first call: %+v, %v", first, err)
	}
	before := len(admitter.OpenCalls())

	if err := own.Stop(); err != nil {
		t.Fatal(err)
	}
	if own, err = redis.Start(ctx, options); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = own.Stop() }()
	if n, err := client.Exists(ctx, limiterv1.TenantCountersKey("acme", "acme")).Result(); err != nil || n != 1 {
		t.Fatalf("Redis has lost its data: %d, %v", n, err)
	}
	if d, err := admitter.Admit(ctx, tenant, newCall(tenant, money.Cent)); !errors.Is(err, admission.ErrSuspended) || d.Hold != nil {
		t.Errorf("a call in the new run: %+v, %v, want %v", d, err, admission.ErrSuspended)
	}
	if err := first.Hold.Settle(ctx, money.Cent, 1, nil); !errors.Is(err, admission.ErrSuspended) {
		t.Errorf("a settlement in the new run: %v, want %v", err, admission.ErrSuspended)
	}
	if after := len(admitter.OpenCalls()); before != 1 || after != 1 {
		t.Errorf("%d calls are open, %d were before, want the one", after, before)
	}

	s.SetEpoch(testEpoch(client))
	if err := first.Hold.Settle(ctx, money.Cent, 1, nil); err != nil {
		t.Errorf("a settlement under the epoch that is valid: %v", err)
	}
	first.Hold.Done()
	if got := len(admitter.OpenCalls()); got != 0 {
		t.Errorf("%d calls are open", got)
	}
	// An epoch of another number has other scripts: those of the first stay refused.
	next := testEpoch(client)
	next.Number = 2
	s.SetEpoch(next)
	if _, err := admitter.Admit(ctx, tenant, newCall(tenant, money.Cent)); !errors.Is(err, admission.ErrSuspended) {
		t.Errorf("counters of epoch 1 under epoch 2: %v, want %v", err, admission.ErrSuspended)
	}
}
