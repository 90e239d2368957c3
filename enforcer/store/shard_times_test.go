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
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/store"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// shardTimes is an enforcer that serves tenants of shards whose times lie apart, as they
// do once the clock of Redis was wrong: each goes on from what its shard has seen.
type shardTimes struct {
	*testing.T
	redis    *stoppedClock
	store    *lossy
	admitter *admission.Admitter
	// machine is the enforcer's clock, and that of Redis.
	machine atomic.Pointer[time.Time]
	taken   map[uint32]bool
	// present is the configuration of the only tenant with shares.
	present atomic.Pointer[admission.Tenant]
}

func newShardTimes(t *testing.T) *shardTimes {
	s := &shardTimes{T: t, redis: newStoppedClock(t), taken: map[uint32]bool{}}
	s.passTo(midnight)
	inner := store.NewWithClock(s.redis.client, uuid.NewString(), s.redis.luaSource())
	inner.SetEpoch(testEpoch(s.redis.client))
	s.store = &lossy{Store: inner, unanswered: map[string]bool{}}
	s.admitter = admission.NewAdmitter(s.store)
	s.admitter.UseClock(func() time.Time { return *s.machine.Load() })
	s.admitter.Follow(func(string) (*admission.Tenant, bool) {
		present := s.present.Load()
		return present, present != nil
	})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.admitter.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return s
}

func (s *shardTimes) passTo(now time.Time) {
	testkit.Must(s.T, s.redis.set(now))
	s.machine.Store(&now)
}

// tenant is one of a shard of its own, whose time is so far ahead of the clock.
func (s *shardTimes) tenant(ahead time.Duration, storeLossPercent int32) *admission.Tenant {
	doc := limiterv1.Tenant{Level: limiterv1.Level{
		TimeZone: "UTC", StoreLossPercent: storeLossPercent, Money: []limiterv1.MoneyLimit{
			{Name: "yearly", Per: limiterv1.PerTenant, Period: period.Year, Amount: money.USD},
			{Name: "window", Per: limiterv1.PerTenant, Period: period.Minute, Amount: money.USD},
		},
	}}
	for doc.Tenant == "" || s.taken[limiterv1.Shard(doc.Tenant)] {
		doc.Tenant = uuid.NewString()
	}
	s.taken[limiterv1.Shard(doc.Tenant)] = true
	tenant, err := admission.NewTenant(doc)
	testkit.Must(s.T, err)
	testkit.Must(s.T, openTenant(s.redis.client, doc))
	now := *s.machine.Load()
	time := floats(float64(now.Add(ahead).UnixMilli()), float64(now.UnixMilli()))
	testkit.Must(s.T, s.redis.client.Set(s.Context(), limiterv1.ClockKey(limiterv1.Shard(doc.Tenant)), time, 0).Err())
	if storeLossPercent > 0 {
		s.present.Store(tenant)
	}
	return tenant
}

// call makes a call of a cent, which costs that.
func (s *shardTimes) call(tenant *admission.Tenant) {
	s.Helper()
	d, err := s.admitter.Admit(s.Context(), tenant, newCall(tenant, money.Cent))
	testkit.Must(s.T, err)
	testkit.Must(s.T, d.Hold.Settle(s.Context(), money.Cent, 0, nil))
	d.Hold.Done()
}

// held is what is held of the tenant's year.
func (s *shardTimes) held(tenant *admission.Tenant) money.Nanos {
	field := limiterv1.MoneyField(tenant.Document().Money[0])
	raw, err := s.redis.client.HGet(s.Context(), limiterv1.TenantCountersKey(tenant.Document().Root(), tenant.Name()), field).Bytes()
	testkit.Must(s.T, err)
	counter, err := limiterv1.DecodeMoneyCounter(raw)
	testkit.Must(s.T, err)
	return counter.Held
}

func (s *shardTimes) awaitHeld(tenant *admission.Tenant, want money.Nanos) {
	s.Helper()
	testkit.Eventually(s.T, "$"+want.String()+" is held", func() bool { return s.held(tenant) == want })
}

// shardsApart are how far the time of another shard, which is heard last, is ahead of that
// of the tenant that has shares.
var shardsApart = map[string]time.Duration{
	"the same time": 0,
	"81 s behind":   -81 * time.Second,
	"69 s ahead":    69 * time.Second,
	"47 h behind":   -47 * time.Hour,
}

// aheadOfClock is how far the time of the tenant that has shares is ahead of the clock.
const aheadOfClock = 47 * time.Hour

// TestIdleShareIsGivenBack: a share that no call has asked for in a minute is given back,
// though the time is earlier in the shard of which the enforcer has heard last.
func TestIdleShareIsGivenBack(t *testing.T) {
	s := newShardTimes(t)
	bounded, other := s.tenant(aheadOfClock, 10), s.tenant(0, 0)
	s.call(bounded)
	s.awaitHeld(bounded, money.USD/10)
	s.call(other)
	s.passTo(midnight.Add(65 * time.Second))
	s.awaitHeld(bounded, 0)
}

// TestShareOfAFormerConfigurationIsGivenBack: where the configuration has changed under which
// a share was taken, or is gone, the share is given back though no call is made any more.
func TestShareOfAFormerConfigurationIsGivenBack(t *testing.T) {
	for _, isGone := range []bool{false, true} {
		s := newShardTimes(t)
		bounded := s.tenant(0, 10)
		s.call(bounded)
		s.awaitHeld(bounded, money.USD/10)
		if isGone {
			s.present.Store(nil)
		} else {
			changed, err := admission.NewTenant(bounded.Document())
			testkit.Must(t, err)
			s.present.Store(changed)
		}
		s.awaitHeld(bounded, 0)
	}
}

// TestShareServesByTheTimeOfItsShard: calls are admitted from a share while Redis is lost,
// whatever the time is in the shard of which the enforcer has heard last.
func TestShareServesByTheTimeOfItsShard(t *testing.T) {
	for name, apart := range shardsApart {
		t.Run(name, func(t *testing.T) {
			s := newShardTimes(t)
			bounded, other := s.tenant(aheadOfClock, 10), s.tenant(aheadOfClock+apart, 0)
			s.call(bounded)
			s.awaitHeld(bounded, money.USD/10)
			s.call(other)

			s.store.lost.Store(true)
			_, err := s.admitter.Admit(t.Context(), bounded, newCall(bounded, money.Cent))
			hold, ok := s.admitter.AdmitBounded(bounded, newCall(bounded, money.Cent))
			s.store.lost.Store(false)
			if !errors.Is(err, admission.ErrStoreUnavailable) || !ok {
				t.Fatalf("Redis is lost, and a call ends with %v; admitted from the share: %t", err, ok)
			}
			testkit.Must(t, hold.Settle(t.Context(), 0, 0, nil))
			hold.Done()
			if now, want := s.admitter.Now(bounded.Name()), midnight.Add(aheadOfClock); now.Sub(want).Abs() > time.Second {
				t.Errorf("the enforcer takes the tenant's time for %s, want %s", now, want)
			}
		})
	}
}
