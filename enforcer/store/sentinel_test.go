package store_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	goredis "github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/redisclient"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/hack/parts/redis"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// sentinelWorld is a Redis behind Sentinels, and a tenant with so many cents a year.
type sentinelWorld struct {
	*testing.T
	servers  *redis.Sentinel
	client   goredis.UniversalClient
	admitter *admission.Admitter
	tenant   *admission.Tenant
	// promoted is set when the client talks to the promoted replica.
	promoted atomic.Bool
	// admitted, and unanswered, count calls.
	admitted, unanswered atomic.Int64
}

func newSentinelWorld(t *testing.T, cents money.Nanos) *sentinelWorld {
	t.Helper()
	servers, err := redis.StartSentinel(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := servers.Stop(); err != nil {
			t.Error(err)
		}
	})
	client, err := redisclient.Open(servers.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	doc := limiterv1.Tenant{Level: limiterv1.Level{Tenant: "acme", TimeZone: "UTC", Money: []limiterv1.MoneyLimit{
		{Name: "yearly", Per: limiterv1.PerTenant, Period: period.Year, Amount: cents * money.Cent},
	}}}
	tenant, err := admission.NewTenant(doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := openTenant(client, doc); err != nil {
		t.Fatal(err)
	}
	admitter := admission.NewAdmitter(newStore(client, "session"))
	go admitter.Run(t.Context())
	return &sentinelWorld{T: t, servers: servers, client: client, admitter: admitter, tenant: tenant}
}

// admit asks to admit a call of a cent, with the timeout of a door.
func (w *sentinelWorld) admit() (admission.Result, error) {
	ctx, cancel := context.WithTimeout(w.Context(), 2*time.Second)
	defer cancel()
	return w.admitter.Admit(ctx, w.tenant, admission.Request{
		ID: uuid.NewString(), Subject: admission.Subject{Tenant: "acme", User: "user"}, Bound: money.Cent,
	})
}

// TestSentinel: a budget holds behind Sentinels as it does without.
func TestSentinel(t *testing.T) {
	const fit = 100
	w := newSentinelWorld(t, fit)
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range fit / 2 {
				switch d, err := w.admit(); {
				case err != nil:
					t.Error(err)
				case d.Hold != nil:
					w.admitted.Add(1)
					if err := d.Hold.Settle(t.Context(), money.Cent, 0, nil); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	callers.Wait()
	if got := w.admitted.Load(); got != fit {
		t.Errorf("%d calls of a cent were admitted, want the %d that fit", got, fit)
	}
}

// TestSentinelFailover: the master goes under load. What it cannot decide is not
// admitted; the client finds the promoted replica by itself; and all in all no more
// is admitted than fits, whether that replica goes on counting or is closed until
// its counters are known to be right.
func TestSentinelFailover(t *testing.T) {
	const fit = 10_000
	w := newSentinelWorld(t, fit)
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(w.spendUntilItEnds)
	}
	testkit.Eventually(w, "a twentieth is spent", func() bool { return w.admitted.Load() >= fit/20 })
	w.servers.Master.Crash()
	before := w.admitted.Load()
	testkit.Eventually(w, "calls fail", func() bool { return w.unanswered.Load() > 0 })
	testkit.Eventually(w, "the client talks to the promoted replica", w.talksToTheReplica)
	w.promoted.Store(true)
	callers.Wait()

	after := w.admitted.Load()
	if after > fit {
		t.Errorf("%d calls of a cent were admitted in all, and only %d fit", after, fit)
	}
	t.Logf("%d calls admitted before the master went, %d not decided, %d admitted in all; %d fit",
		before, w.unanswered.Load(), after, fit)
}

// spendUntilItEnds spends cent after cent until the promoted replica refuses, or is
// found to be suspended.
func (w *sentinelWorld) spendUntilItEnds() {
	const maxFailures = 100
	for failures := 0; failures < maxFailures && w.Context().Err() == nil; {
		d, err := w.admit()
		switch {
		case err != nil:
			w.unanswered.Add(1)
			if w.promoted.Load() {
				failures++
			}
		case d.Hold == nil:
			if w.promoted.Load() {
				return
			}
		default:
			w.admitted.Add(1)
			failures += w.settle(d.Hold, maxFailures-failures)
		}
	}
}

// settle settles a call with a cent, and gives up when the promoted replica fails to
// do it so often.
func (w *sentinelWorld) settle(hold *admission.Hold, maxFailures int) (failures int) {
	for failures < maxFailures && w.Context().Err() == nil {
		ctx, cancel := context.WithTimeout(w.Context(), 2*time.Second)
		err := hold.Settle(ctx, money.Cent, 0, nil)
		cancel()
		if err == nil {
			break
		}
		w.unanswered.Add(1) // all callers may be here when the master goes: calls that come together end together
		if w.promoted.Load() {
			failures++
		}
	}
	return failures
}

// talksToTheReplica: the client's Redis is what the replica was, and is a master now.
func (w *sentinelWorld) talksToTheReplica() bool {
	info, err := w.client.Info(w.Context(), "everything").Result()
	return err == nil && strings.Contains(info, "role:master") &&
		strings.Contains(info, fmt.Sprintf("tcp_port:%d\r\n", w.servers.Replica.Port))
}
