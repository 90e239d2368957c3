package store_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/redisclient"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/store"
	"github.com/bursar-dev/bursar/hack/parts/redis"
)

// TestClusterWhoseSlotMoves: on three masters, with the tenant's slot moved from one
// to the next while calls are admitted, settled and asked about again, exactly as
// many calls are admitted as fit.
func TestClusterWhoseSlotMoves(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cluster, err := redis.StartCluster(ctx, t.TempDir(), 3)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cluster.Stop() }()
	client, err := redisclient.Open(cluster.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()

	const fit = 2000
	limits := []limiterv1.MoneyLimit{{Name: "yearly", Per: limiterv1.PerTenant, Period: period.Year, Amount: fit * money.Cent}}
	doc := limiterv1.Tenant{
		Level:     limiterv1.Level{Tenant: "acme", TimeZone: "UTC", Money: limits},
		Ancestors: []limiterv1.Level{{Tenant: "group", TimeZone: "UTC", Money: limits}},
	}
	tenant, err := admission.NewTenant(doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := openTenant(client, doc); err != nil {
		t.Fatal(err)
	}
	s := store.New(client, "session")
	s.SetEpoch(testEpoch(client))
	admitter := admission.NewAdmitter(s)
	running, stop := context.WithCancel(ctx)
	defer stop()
	go admitter.Run(running)

	slot, err := cluster.Slot(ctx, limiterv1.TenantCountersKey(doc.Root(), "acme"))
	if err != nil {
		t.Fatal(err)
	}
	moving, moved := make(chan error), 0
	go func() {
		moving <- func() error {
			for running.Err() == nil {
				if err := cluster.MoveSlot(ctx, slot, moved%3); err != nil {
					return err
				}
				moved++
			}
			return nil
		}()
	}()

	// Each caller spends cents until it is told that there are none left, spent or
	// held. What could not be decided is asked again, as another call.
	var spent atomic.Int64
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for ctx.Err() == nil {
				d, err := admitter.Admit(ctx, tenant, admission.Request{
					ID: uuid.NewString(), Subject: admission.Subject{Tenant: "acme", User: "user"}, Bound: money.Cent,
				})
				if errors.Is(err, admission.ErrStoreUnavailable) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if d.Hold == nil {
					if d.Refusal.Held == 0 {
						return
					}
					continue
				}
				spent.Add(1)
				for d.Hold.Settle(ctx, money.Cent, 0, nil) != nil && ctx.Err() == nil {
				}
			}
		})
	}
	callers.Wait()
	stop()
	if err := <-moving; err != nil {
		t.Fatal(err)
	}
	if got := spent.Load(); got != fit {
		t.Errorf("%d calls of a cent were admitted, want the %d that fit", got, fit)
	}
	if moved < 2 {
		t.Errorf("the slot moved %d times while calls were made, want at least twice", moved)
	}
	for _, name := range []string{"acme", "group"} {
		raw, err := client.HGet(ctx, limiterv1.TenantCountersKey(doc.Root(), name), limiterv1.MoneyField(doc.Money[0])).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		counter, err := limiterv1.DecodeMoneyCounter(raw)
		if err != nil || counter.Spent != money.Nanos(spent.Load())*money.Cent {
			t.Errorf("tenant %s: counter %+v, %v; want %d cents spent", name, counter, err, spent.Load())
		}
	}
	t.Logf("%d calls admitted while the slot moved %d times", spent.Load(), moved)
}
