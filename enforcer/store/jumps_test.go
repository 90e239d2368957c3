package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/store"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// jumps is a tenant whose Redis' clock jumps.
type jumps struct {
	clock *stoppedClock
	store *store.Store
	doc   limiterv1.Tenant
	told  []store.Broken
	// at is what the clock says, and time the limiter's time as the documentation has it.
	at, time time.Time
	// heard is what the enforcer takes for the limiter's time.
	heard time.Time
	calls []*modelCall
}

const jumpsAmount = 300

func newJumps(t testkit.T, clock *stoppedClock) *jumps {
	j := &jumps{clock: clock, store: store.NewWithClock(clock.client, uuid.NewString(), clock.luaSource())}
	j.store.OnBroken(func(b store.Broken) { j.told = append(j.told, b) })
	j.store.SetEpoch(testEpoch(clock.client))
	j.doc = limiterv1.Tenant{Level: limiterv1.Level{
		Tenant: uuid.NewString(), TimeZone: "UTC",
		Money: []limiterv1.MoneyLimit{
			{Name: "hourly", Per: limiterv1.PerTenant, Period: period.Hour, Amount: jumpsAmount},
			{Name: "each", Per: limiterv1.PerUser, Period: period.Hour, Amount: jumpsAmount},
		},
		Rates: []limiterv1.RateLimit{
			{Name: "p/rate", Per: limiterv1.PerTenant, Unit: limiterv1.Requests, Count: 5, Burst: 5, Window: 60_000},
		},
	}}
	testkit.Must(t, openTenant(clock.client, j.doc))
	clock.begin(t)
	j.at, j.time, j.heard = ten, ten, ten
	testkit.Must(t, clock.set(ten))
	return j
}

// jump moves the clock by a step, which may be back.
func (j *jumps) jump(t testkit.T, step time.Duration) {
	j.at = j.at.Add(step)
	if step > 0 {
		j.time = j.time.Add(min(step, limiterv1.LongestGap) * 9 / 10)
	}
	if j.time.Before(j.at) {
		j.time = j.at
	}
	testkit.Must(t, j.clock.set(j.at))
}

// pass lets time pass, minute by minute, in which managers see to the limiter's time.
func (j *jumps) pass(t testkit.T, minutes int) {
	for range minutes {
		j.jump(t, time.Minute)
		j.read(t)
	}
}

// read is the limiter's time.
func (j *jumps) read(t testkit.T) time.Time {
	text := strings.ReplaceAll(limiterv1.ClockLua+"return (limiter_time(KEYS[1], true))", "redis.call('TIME')", j.clock.luaSource())
	now, err := j.clock.client.Eval(context.Background(), text, []string{limiterv1.ClockKey(limiterv1.Shard(j.doc.Root()))}).Int64()
	testkit.Must(t, err)
	return time.UnixMilli(now).UTC()
}

// admit makes a call, which an enforcer decides that remembers nothing except the time
// that it has heard.
func (j *jumps) admit(t testkit.T, bound money.Nanos) (admission.Result, error) {
	tenant, err := admission.NewTenant(j.doc)
	testkit.Must(t, err)
	admitter := admission.NewAdmitter(j.store)
	admitter.UseClock(func() time.Time { return j.heard })
	call := admission.Request{ID: uuid.NewString(), Subject: admission.Subject{Tenant: j.doc.Tenant, User: "a"}, Model: "m", Bound: bound}
	d, err := admitter.Admit(context.Background(), tenant, call)
	j.heard = admitter.Now(j.doc.Root())
	if err == nil && d.Hold != nil {
		j.calls = append(j.calls, &modelCall{call: call, hold: d.Hold, admittedAt: d.Hold.AdmittedAt()})
	}
	return d, err
}

func (j *jumps) settle(t testkit.T, c *modelCall, cost money.Nanos) {
	if !c.settled {
		c.settled, c.cost = true, cost
		testkit.Must(t, c.hold.Settle(context.Background(), cost, 0, &ledgerv1.Entry{}))
	}
}

// counter is the counter of the tenant's hour.
func (j *jumps) counter(t testkit.T) limiterv1.MoneyCounter {
	raw, err := j.clock.client.HGet(context.Background(), limiterv1.TenantCountersKey(j.doc.Root(), j.doc.Tenant), limiterv1.MoneyField(j.doc.Money[0])).Bytes()
	testkit.Must(t, err)
	counter, err := limiterv1.DecodeMoneyCounter(raw)
	testkit.Must(t, err)
	return counter
}

// checkPeriods adds up the calls that were admitted in each hour.
func (j *jumps) checkPeriods(t testkit.T) {
	sums := map[time.Time]money.Nanos{}
	for i, c := range j.calls {
		sum := c.call.Bound
		if c.settled {
			sum = c.cost
		}
		hour := period.Containing(period.Hour, time.UTC, c.admittedAt)
		if sums[hour.Start] += sum; sums[hour.Start] > jumpsAmount {
			t.Fatalf("%d in the hour from %s, want at most %d", sums[hour.Start], hour.Start, jumpsAmount)
		}
		if i > 0 && c.admittedAt.Before(j.calls[i-1].admittedAt.Add(-100*time.Millisecond)) {
			t.Fatalf("a call was admitted at %s, and the next at %s", j.calls[i-1].admittedAt, c.admittedAt)
		}
		if ahead := c.admittedAt.Sub(j.time); ahead > 0 && i == len(j.calls)-1 {
			t.Fatalf("admitted at %s, which is %s ahead of the limiter's time", c.admittedAt, ahead)
		}
	}
}

// TestClocksThatJump: however the clock of Redis jumps, by up to two days back, no
// period's money is given twice, time does not go back, every hold ends, nobody is told
// of a broken counter, and an hour and a bit later there is money again.
func TestClocksThatJump(t *testing.T) {
	clock := newStoppedClock(t)
	rapid.Check(t, func(t *rapid.T) {
		j := newJumps(t, clock)
		t.Repeat(map[string]func(*rapid.T){
			"admit": func(t *rapid.T) {
				if _, err := j.admit(t, money.Nanos(rapid.Int64Range(1, 150).Draw(t, "bound"))); err != nil {
					t.Fatal(err)
				}
			},
			"settle": func(t *rapid.T) {
				if len(j.calls) == 0 {
					t.Skip("no call yet")
				}
				c := rapid.SampledFrom(j.calls).Draw(t, "call")
				j.settle(t, c, money.Nanos(rapid.Int64Range(0, int64(c.call.Bound)).Draw(t, "cost")))
			},
			"tick": func(t *rapid.T) {
				j.jump(t, time.Duration(rapid.Int64Range(0, 90_000).Draw(t, "ms"))*time.Millisecond)
			},
			"jump": func(t *rapid.T) {
				step := rapid.SampledFrom([]time.Duration{10 * time.Second, time.Minute, time.Hour, 26 * time.Hour}).Draw(t, "step")
				if rapid.Bool().Draw(t, "back") {
					step = -step
				}
				if j.time.Sub(j.at.Add(step)) < limiterv1.MostAhead-time.Hour {
					j.jump(t, step)
				}
			},
			"": func(t *rapid.T) { j.checkPeriods(t) },
		})
		for _, c := range j.calls {
			j.settle(t, c, c.call.Bound)
		}
		j.pass(t, 67) // an hour, at nine tenths of the pace
		if d, err := j.admit(t, 1); err != nil || d.Hold == nil {
			t.Fatalf("an hour later a call is refused: %+v, %v", d.Refusal, err)
		}
		j.settle(t, j.calls[len(j.calls)-1], 0)
		if c := j.counter(t); c.Held != 0 || c.EarlierHeld != 0 || len(j.told) > 0 {
			t.Fatalf("at rest the counter is %+v; told %+v", c, j.told)
		}
	})
}

// TestClockIsSetBackAcrossATurn: a call that is admitted then ends in the period that it
// is counted in.
func TestClockIsSetBackAcrossATurn(t *testing.T) {
	j := newJumps(t, newStoppedClock(t))
	for range 2 { // after the turn, and set back before it
		if d, err := j.admit(t, 100); err != nil || d.Hold == nil {
			t.Fatalf("%+v, %v", d.Refusal, err)
		}
		j.jump(t, -10*time.Second)
	}
	for _, c := range j.calls {
		j.settle(t, c, 10)
	}
	if c := j.counter(t); c.Spent != 20 || c.Held != 0 {
		t.Errorf("spent %d and held %d when all have ended, want 20 and 0", c.Spent, c.Held)
	}
}

// TestClockIsSetAgainAndAgain: a clock that is set wrong and right again and again takes the
// limiter's time no further ahead than once, except for a minute each time.
func TestClockIsSetAgainAndAgain(t *testing.T) {
	for name, off := range map[string]time.Duration{"ahead": time.Hour, "back": -24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			j := newJumps(t, newStoppedClock(t))
			const times = 20
			for range times {
				for _, step := range []time.Duration{off, time.Second, -off, time.Second} {
					j.jump(t, step)
					if _, err := j.admit(t, 1); err != nil {
						t.Fatal(err)
					}
				}
			}
			if ahead, most := j.read(t).Sub(j.at), max(off, 0)+times*time.Minute; ahead > most {
				t.Errorf("the limiter's time is %s ahead of the clock, want at most %s", ahead, most)
			}
		})
	}
}

// TestRetryAfterIsTrueWhenTheClockWasAhead: also where time is ahead of the clock, a call
// is admitted when a refusal has said, and not before.
func TestRetryAfterIsTrueWhenTheClockWasAhead(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"not": 0, "by an hour": time.Hour, "by a day": 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			j := newJumps(t, newStoppedClock(t))
			j.jump(t, ahead)
			for range 5 {
				if d, err := j.admit(t, 1); err != nil || d.Hold == nil {
					t.Fatalf("%+v, %v", d.Refusal, err)
				}
			}
			j.jump(t, -ahead)
			d, err := j.admit(t, 1)
			if err != nil || d.Refusal == nil || d.Refusal.RetryAfter < 12*time.Second || d.Refusal.RetryAfter > 14*time.Second {
				t.Fatalf("%+v, %v, want a refusal for 12 to 14 s", d.Refusal, err)
			}
			j.jump(t, d.Refusal.RetryAfter-10*time.Millisecond)
			if early, err := j.admit(t, 1); err != nil || early.Hold != nil {
				t.Errorf("a call is admitted before %s have passed: %v", d.Refusal.RetryAfter, err)
			}
			j.jump(t, 10*time.Millisecond)
			if d, err := j.admit(t, 1); err != nil || d.Hold == nil {
				t.Errorf("a call is refused when the time has come: %+v, %v", d.Refusal, err)
			}
		})
	}
}

// TestExhaustedTenantHearsOfTheTurn: an enforcer that remembers a refusal, and whose own
// clock says nothing of a turn, asks again within two seconds.
func TestExhaustedTenantHearsOfTheTurn(t *testing.T) {
	j := newJumps(t, newStoppedClock(t))
	tenant, err := admission.NewTenant(j.doc)
	testkit.Must(t, err)
	admitter := admission.NewAdmitter(j.store)
	stopped := time.Now()
	admitter.UseClock(func() time.Time { return stopped })
	decide := func() admission.Result {
		d, err := admitter.Admit(t.Context(), tenant, admission.Request{
			ID: uuid.NewString(), Subject: admission.Subject{Tenant: j.doc.Tenant, User: "a"}, Model: "m", Bound: jumpsAmount,
		})
		testkit.Must(t, err)
		return d
	}
	testkit.Must(t, decide().Hold.Settle(t.Context(), jumpsAmount, 0, nil))
	if d := decide(); d.Hold != nil {
		t.Fatal("admitted beyond the limit")
	}
	j.jump(t, time.Hour)
	begun := time.Now()
	testkit.Eventually(t, "a call is admitted after the turn", func() bool { return decide().Hold != nil })
	took := time.Since(begun)
	if took > 2*time.Second {
		t.Errorf("after %s, want within two seconds", took)
	}
	t.Logf("the clock jumps an hour ahead: a tenant whose money was spent is admitted %s after the turn", took.Round(time.Millisecond))
}

// TestAbsurdClock: a clock that was years ahead is not believed any more once it is back:
// the counters of that time are unknown until they are counted anew, as everybody is told.
func TestAbsurdClock(t *testing.T) {
	const years = 10 * 365 * 24 * time.Hour
	j := newJumps(t, newStoppedClock(t))
	j.jump(t, years)
	if d, err := j.admit(t, 1); err != nil || d.Hold == nil {
		t.Fatalf("%+v, %v", d.Refusal, err)
	}
	field := limiterv1.MoneyField(j.doc.Money[0])
	key := limiterv1.TenantCountersKey(j.doc.Root(), j.doc.Tenant)
	testkit.Must(t, j.clock.client.HSet(t.Context(), key, "valid:"+field, 1, "valid:users:"+field, 1).Err())
	j.jump(t, -years)
	if _, err := j.admit(t, 1); !errors.Is(err, admission.ErrSuspended) {
		t.Fatalf("beside counters of another decade a call is decided: %v", err)
	}
	for _, mark := range []string{"valid:" + field, "valid:users:" + field} {
		if j.clock.client.HExists(t.Context(), key, mark).Val() {
			t.Errorf("%s: nobody will count it anew", mark)
		}
	}
	kinds := map[string]int{}
	for _, b := range j.told {
		kinds[b.Counter+" "+b.Kind]++
	}
	if kinds["money time"] != 2 || kinds["bucket unreadable"] != 1 || len(kinds) != 2 {
		t.Errorf("told of %v, want two counters and a bucket", kinds)
	}
	j.jump(t, time.Second)
	now, err := j.clock.client.Get(t.Context(), limiterv1.ClockKey(limiterv1.Shard(j.doc.Root()))).Bytes()
	testkit.Must(t, err)
	if want := floats(float64(j.at.Add(-time.Second).UnixMilli())); string(now[:8]) != string(want) {
		t.Errorf("the limiter's time is % x, want the clock's % x", now[:8], want)
	}
}
