package store_test

import (
	"context"
	"errors"
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

var ten = time.Date(2031, time.May, 7, 10, 0, 0, 0, time.UTC)

// aCentMore is a limit of a cent a year that has another one for an hour, from ten on.
func aCentMore() []limiterv1.MoneyLimit {
	return []limiterv1.MoneyLimit{{
		Name: "yearly", Per: limiterv1.PerTenant, Period: period.Year, Amount: money.Cent,
		Grants: []limiterv1.Grant{{Name: "hour", Amount: money.Cent, StartsAt: ten, ExpiresAt: ten.Add(time.Hour)}},
	}}
}

// TestGrantsTurnByTheClockOfRedis: a grant counts from its first millisecond to its
// last, also for enforcers whose clocks are an hour off, be they new, or remember a
// refusal; and what was spent of it stays spent.
func TestGrantsTurnByTheClockOfRedis(t *testing.T) {
	c := &clocks{T: t, redis: newStoppedClock(t)}
	fast, slow := time.Hour, -time.Hour
	for first := range 2 {
		enforcers := []*admission.Admitter{c.enforcer(&fast), c.enforcer(&slow)}
		tenant := newTenant(t, aCentMore(), nil)
		for _, step := range []struct {
			at   time.Time
			want []string
		}{
			{ten.Add(-time.Millisecond), []string{"none", "yearly", "yearly", "yearly"}},
			{ten, []string{"none", "yearly", "yearly", "yearly"}},
			{ten.Add(time.Hour - time.Millisecond), []string{"yearly", "yearly"}},
			{ten.Add(time.Hour), []string{"yearly", "yearly", "yearly"}},
		} {
			c.set(step.at)
			for _, ahead := range []*time.Duration{&fast, &slow} {
				// Of one that has not heard the clock of Redis yet, it is the first call that tells.
				if decision, by := c.decide(c.enforcer(ahead), tenant); by != step.want[0] {
					t.Errorf("at %s a new enforcer, %s ahead: %s, want it to be refused by %s", step.at, *ahead, decision, step.want[0])
				}
				step.want = step.want[1:]
			}
			for i, want := range step.want {
				if decision, by := c.decide(enforcers[(first+i)%2], tenant); by != want {
					t.Errorf("at %s call %d: %s, want it to be refused by %s", step.at, i, decision, want)
				}
			}
		}
	}
}

// TestGrantThatIsOverAdmitsNothing: a grant ends at its end, and not when somebody
// notices, though half of it is left.
func TestGrantThatIsOverAdmitsNothing(t *testing.T) {
	c := &clocks{T: t, redis: newStoppedClock(t)}
	slow := -time.Hour
	enforcer := c.enforcer(&slow)
	limits := aCentMore()
	limits[0].Grants[0].Amount = 3 * money.Cent
	tenant := newTenant(t, limits, nil)
	for _, step := range []struct {
		at   time.Time
		want string
	}{{ten, "none"}, {ten.Add(time.Hour - time.Millisecond), "none"}, {ten.Add(time.Hour), "yearly"}} {
		c.set(step.at)
		if decision, by := c.decide(enforcer, tenant); by != step.want {
			t.Errorf("at %s: %s, want it to be refused by %s", step.at, decision, step.want)
		}
	}
}

// TestRecallIsOfOneStretch: an enforcer whose clock leaps does not refuse what a grant
// allows by what it remembers of the time after the grant.
func TestRecallIsOfOneStretch(t *testing.T) {
	c := &clocks{T: t, redis: newStoppedClock(t)}
	ahead := time.Duration(0)
	enforcer := c.enforcer(&ahead)
	tenant := newTenant(t, aCentMore(), nil)
	c.set(ten.Add(-time.Minute))
	for _, want := range []string{"none", "yearly"} {
		if _, by := c.decide(enforcer, tenant); by != want {
			t.Fatalf("before the grant the call is refused by %s, want %s", by, want)
		}
	}
	c.set(ten)
	ahead = 2 * time.Hour
	if decision, by := c.decide(enforcer, tenant); by != "none" {
		t.Errorf("during the grant: %s, want it to be admitted", decision)
	}
}

// TestShareEndsWithTheGrant: what is held beforehand under a grant is not used when
// the grant is over, or is about to be.
func TestShareEndsWithTheGrant(t *testing.T) {
	redis := newStoppedClock(t)
	c := &clocks{T: t, redis: redis}
	s := &lossy{Store: store.NewWithClock(redis.client, uuid.NewString(), redis.luaSource()), unanswered: map[string]bool{}}
	s.SetEpoch(testEpoch(redis.client))
	enforcer := admission.NewAdmitter(s)
	now := ten
	enforcer.UseClock(func() time.Time { return now })
	doc := limiterv1.Tenant{Level: limiterv1.Level{StoreLossPercent: 50, Tenant: uuid.NewString(), TimeZone: "UTC", Money: aCentMore()}}
	doc.Money[0].Amount, doc.Money[0].Grants[0].Amount = 0, money.USD
	tenant, err := admission.NewTenant(doc)
	if err == nil {
		err = openTenant(redis.client, doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.set(now)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ran := make(chan struct{})
	go func() { defer close(ran); enforcer.Run(ctx) }()
	defer func() { stop(); <-ran }()

	if d, err := enforcer.Admit(ctx, tenant, newCall(tenant, money.Cent)); err != nil || d.Hold == nil {
		t.Fatalf("during the grant: %+v, %v", d.Refusal, err)
	}
	bounded := func() bool {
		_, ok := enforcer.AdmitBounded(tenant, newCall(tenant, money.Cent))
		return ok
	}
	testkit.Eventually(t, "a share is taken", bounded)
	s.lost.Store(true)
	if _, err := enforcer.Admit(ctx, tenant, newCall(tenant, money.Cent)); !errors.Is(err, admission.ErrStoreUnavailable) {
		t.Fatal(err)
	}
	for _, step := range []struct {
		before time.Duration
		want   bool
	}{{time.Minute, true}, {6 * time.Second, true}, {5 * time.Second, false}, {0, false}} {
		now = ten.Add(time.Hour - step.before)
		if got := bounded(); got != step.want {
			t.Errorf("%s before the grant is over, a call is admitted from the share: %t, want %t", step.before, got, step.want)
		}
	}
}
