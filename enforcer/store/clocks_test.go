package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/store"
)

// clocks are the clock of Redis, and those of enforcers, which show something else.
type clocks struct {
	*testing.T
	redis *stoppedClock
	now   time.Time
}

func (c *clocks) set(now time.Time) {
	c.Helper()
	c.now = now
	if err := c.redis.set(now); err != nil {
		c.Fatal(err)
	}
}

// enforcer is one whose clock is so far ahead of that of Redis.
func (c *clocks) enforcer(ahead *time.Duration) *admission.Admitter {
	s := store.NewWithClock(c.redis.client, uuid.NewString(), c.redis.luaSource())
	s.SetEpoch(testEpoch(c.redis.client))
	a := admission.NewAdmitter(s)
	a.UseClock(func() time.Time { return c.now.Add(*ahead) })
	return a
}

// decide makes a call of a cent, settles it if it is admitted, and returns what was
// decided, and by which limit. A refusal does not come with the rate limits of a user while
// the enforcer remembers it, which it does for a second of the machine's time: they are left out.
func (c *clocks) decide(enforcer *admission.Admitter, tenant *admission.Tenant) (decision, by string) {
	c.Helper()
	d, err := enforcer.Admit(c.Context(), tenant, newCall(tenant, money.Cent))
	if err != nil {
		c.Fatal(err)
	}
	if d.Hold == nil {
		refusal := *d.Refusal
		refusal.Tenant = "" // each has its own
		return fmt.Sprintf("refused: %+v", refusal), refusal.Limit
	}
	if err := d.Hold.Settle(c.Context(), money.Cent, 0, nil); err != nil {
		c.Fatal(err)
	}
	return fmt.Sprintf("admitted at %s, %+v", d.Hold.AdmittedAt(), d.Rates), "none"
}

var midnight = time.Date(2031, time.May, 7, 0, 0, 0, 0, time.UTC)

// shortPeriods is a tenant with limits that each refuse now and then, and have more at
// times.
func shortPeriods(t *testing.T) *admission.Tenant {
	t.Helper()
	var limits []limiterv1.MoneyLimit
	for _, l := range []struct {
		kind  period.Kind
		cents money.Nanos
	}{{period.Minute, 3}, {"5m", 8}, {period.Hour, 40}, {period.Day, 50}} {
		limits = append(limits, limiterv1.MoneyLimit{
			Name: string(l.kind), Per: limiterv1.PerTenant, Period: l.kind, Amount: l.cents * money.Cent,
			Grants: []limiterv1.Grant{
				{Amount: money.Cent, StartsAt: midnight.Add(-44 * time.Minute), ExpiresAt: midnight.Add(-31 * time.Minute)},
				{Amount: 2 * money.Cent, StartsAt: midnight.Add(-38 * time.Minute), ExpiresAt: midnight.Add(17 * time.Minute)},
			},
		})
	}
	return newTenant(t, limits, []limiterv1.RateLimit{
		{Name: "policy/requests", Per: limiterv1.PerUser, Unit: limiterv1.Requests, Count: 2, Burst: 2, Window: 60_000},
	})
}

// TestEnforcerClocksChangeNoDecision: two enforcers, one an hour fast and one an hour
// slow, call by call in turn, decide as one decides whose clock is right, before and
// after the turns of minutes, windows of five minutes, hours, a day, and grants.
func TestEnforcerClocksChangeNoDecision(t *testing.T) {
	c := &clocks{T: t, redis: newStoppedClock(t)}
	right, fast, slow := time.Duration(0), time.Hour, -time.Hour
	straight := c.enforcer(&right)
	wrong := []*admission.Admitter{c.enforcer(&fast), c.enforcer(&slow)}
	one, other := shortPeriods(t), shortPeriods(t)

	refusing := map[string]int{}
	for at := midnight.Add(-70 * time.Minute); at.Before(midnight.Add(70 * time.Minute)); at = at.Add(time.Minute) {
		for _, after := range []time.Duration{-time.Millisecond, 0, time.Millisecond, 30 * time.Second} {
			c.set(at.Add(after))
			for _, enforcer := range wrong {
				want, by := c.decide(straight, one)
				if got, _ := c.decide(enforcer, other); got != want {
					t.Fatalf("at %s\n got %s\nwant %s", c.now, got, want)
				}
				refusing[by]++
			}
		}
	}
	for _, by := range []string{"none", "Minute", "5m", "Hour", "Day", "policy/requests"} {
		if refusing[by] == 0 {
			t.Errorf("no call was refused by %s, so that nothing is shown of it: %v", by, refusing)
		}
	}
	t.Logf("the same decisions, by the limit that refused: %v", refusing)
}

// TestEnforcerClockIsSetBack: an enforcer that remembers a refusal, and has seen its
// period turn, does not take the period for the current one again when its clock is set back.
func TestEnforcerClockIsSetBack(t *testing.T) {
	c := &clocks{T: t, redis: newStoppedClock(t)}
	ahead := time.Duration(0)
	enforcer := c.enforcer(&ahead)
	tenant := newTenant(t, []limiterv1.MoneyLimit{{Name: "hourly", Per: limiterv1.PerTenant, Period: period.Hour, Amount: money.Cent}}, nil)
	bystander := newBystander(t, c.redis.client, tenant.Document())
	c.set(ten.Add(-time.Minute))
	for _, want := range []string{"none", "hourly"} {
		if _, by := c.decide(enforcer, tenant); by != want {
			t.Fatalf("before the turn the call is refused by %s, want %s", by, want)
		}
	}
	c.set(ten)
	c.decide(enforcer, bystander)
	ahead = -time.Hour
	if _, by := c.decide(enforcer, tenant); by != "none" {
		t.Errorf("after the turn the call is refused by %s, want none", by)
	}
}
