package limiterv1_test

import (
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
)

func TestFits(t *testing.T) {
	for name, tc := range map[string]struct {
		amount, spent, held, bound money.Nanos
		want                       bool
	}{
		"all of it":                        {amount: 10, bound: 10, want: true},
		"one too much":                     {amount: 10, bound: 11},
		"beside what is spent and held":    {amount: 10, spent: 3, held: 3, bound: 4, want: true},
		"one too much beside them":         {amount: 10, spent: 3, held: 3, bound: 5},
		"nothing, in what is spent":        {amount: 10, spent: 10, want: true},
		"nothing, beyond an overrun":       {amount: 10, spent: 11},
		"nothing, in a limit of nothing":   {want: true},
		"the least, in a limit of nothing": {bound: 1},
		"the largest of all":               {amount: money.Max, bound: money.Max, want: true},
	} {
		limit := limiterv1.MoneyLimit{Amount: tc.amount}
		if got := limit.Fits(tc.spent, tc.held, tc.bound); got != tc.want {
			t.Errorf("%s: %t, want %t", name, got, tc.want)
		}
	}
}

func TestExhausted(t *testing.T) {
	for _, tc := range []struct {
		amount, spent money.Nanos
		want          bool
	}{{10, 9, false}, {10, 10, true}, {10, 11, true}, {0, 0, true}, {1, 0, false}} {
		if got := (limiterv1.MoneyLimit{Amount: tc.amount}).Exhausted(tc.spent); got != tc.want {
			t.Errorf("%d of %d spent: %t, want %t", tc.spent, tc.amount, got, tc.want)
		}
	}
}

// TestRefusesFrom: the amount is the first at which no call that costs something is
// admitted, whether the limit or its Trip rung refuses.
func TestRefusesFrom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := limiterv1.MoneyLimit{Amount: money.Nanos(rapid.Int64Range(0, 1000).Draw(t, "amount"))}
		level := limiterv1.Level{
			Ladder: []limiterv1.Rung{{AtPercent: rapid.Int32Range(1, 100).Draw(t, "percent"), Action: limiterv1.Trip}},
			Forced: rapid.SampledFrom([]limiterv1.BreakerState{"", limiterv1.BreakerClosed}).Draw(t, "forced"),
		}
		if rapid.Bool().Draw(t, "without a Trip rung") {
			level.Ladder = nil
		}
		from := level.RefusesFrom(limit)
		for spent := range limit.Amount + 1 {
			trip, trips := level.TripAt(limit)
			refuses := trips && limiterv1.Reached(spent, trip) || !limit.Fits(spent, 0, 1)
			if refuses != limiterv1.Reached(spent, from) {
				t.Fatalf("with %d spent it refuses: %t, but from %d on by RefusesFrom", spent, refuses, from)
			}
		}
	})
}

// TestRung: a rung is reached at the first amount whose percentage of the limit,
// rounded down, is the rung's.
func TestRung(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := limiterv1.MoneyLimit{Amount: money.Nanos(rapid.Int64Range(1, int64(money.Max)).Draw(t, "amount"))}
		rung := limiterv1.Rung{AtPercent: rapid.Int32Range(1, 100).Draw(t, "percent")}
		at := rung.Amount(limit)
		if !limiterv1.Reached(at, at) || limiterv1.Reached(at-1, at) {
			t.Fatalf("a rung at %d is reached by %d: %t, by one less: %t", at, at, limiterv1.Reached(at, at), limiterv1.Reached(at-1, at))
		}
		if at.Percent(limit.Amount) < int64(rung.AtPercent) || (at-1).Percent(limit.Amount) >= int64(rung.AtPercent) {
			t.Fatalf("%d per cent of %d are reached at %d", rung.AtPercent, limit.Amount, at)
		}
	})
}

// rates draws a rate limit that a RateLimitPolicy may have, and a debt of its bucket:
// also one beyond the capacity, which may have been lowered.
func rates(t *rapid.T) (limit limiterv1.RateLimit, debt int64) {
	if rapid.Bool().Draw(t, "in flight") {
		limit = limiterv1.RateLimit{Unit: limiterv1.InFlight, Burst: rapid.Int64Range(1, 1000).Draw(t, "burst")}
	} else {
		window := rapid.Int64Range(1, 24*time.Hour.Milliseconds()).Draw(t, "window")
		units := rapid.Int64Range(1, limiterv1.MaxPoints/window)
		limit = limiterv1.RateLimit{
			Unit: limiterv1.Tokens, Window: limiterv1.Duration(window),
			Count: units.Draw(t, "count"), Burst: units.Draw(t, "burst"),
		}
	}
	return limit, rapid.Int64Range(0, 2*limit.Bucket().Capacity()).Draw(t, "debt")
}

// TestBucketAfter: a debt is paid back at Count units a window, whatever the steps in
// which it is looked at, and never beyond nothing.
func TestBucketAfter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit, debt := rates(t)
		bucket := limit.Bucket()
		steps := rapid.SliceOfN(rapid.Int64Range(0, 48*time.Hour.Milliseconds()), 1, 5).Draw(t, "steps")
		got, passed := debt, new(big.Int)
		for _, step := range steps {
			got = bucket.After(got, time.Duration(step)*time.Millisecond)
			passed.Add(passed, big.NewInt(step))
		}
		want := new(big.Int).Sub(big.NewInt(debt), passed.Mul(passed, big.NewInt(limit.Count)))
		if want.Sign() < 0 {
			want.SetInt64(0)
		}
		if want.Cmp(big.NewInt(got)) != 0 {
			t.Fatalf("a debt of %d after %v ms: %d, want %s", debt, steps, got, want)
		}
	})
}

// TestBucketRetryAfter: a need that does not fit does after the wait that is told, and
// did not a millisecond before; a wait that nobody can tell is zero.
func TestBucketRetryAfter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit, debt := rates(t)
		bucket := limit.Bucket()
		need := bucket.Points(rapid.Int64Range(0, limit.Burst+2).Draw(t, "need"))
		wait := bucket.RetryAfter(debt, need)
		switch {
		case bucket.Fits(debt, need), !bucket.Fits(0, need), limit.Unit == limiterv1.InFlight:
			if wait != 0 {
				t.Fatalf("%s for a need of %d beside %d in %+v, want none", wait, need, debt, bucket)
			}
		case wait == limiterv1.LongestWait:
			if debt+need-bucket.Capacity() < bucket.Refill()*limiterv1.LongestWait.Milliseconds() {
				t.Fatalf("a need of %d beside %d in %+v would fit before %s", need, debt, bucket, wait)
			}
		case !bucket.Fits(bucket.After(debt, wait), need):
			t.Fatalf("a need of %d beside %d in %+v does not fit after %s", need, debt, bucket, wait)
		case bucket.Fits(bucket.After(debt, wait-time.Millisecond), need):
			t.Fatalf("a need of %d beside %d in %+v fits before %s", need, debt, bucket, wait)
		}
	})
}

// TestBucketFullIn: no debt is left after it, and some was a millisecond before.
func TestBucketFullIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit, debt := rates(t)
		bucket := limit.Bucket()
		wait := bucket.FullIn(debt)
		switch {
		case debt == 0, limit.Unit == limiterv1.InFlight:
			if wait != 0 {
				t.Fatalf("%s for a debt of %d in %+v, want none", wait, debt, bucket)
			}
		case wait == limiterv1.LongestWait:
			if debt < bucket.Refill()*limiterv1.LongestWait.Milliseconds() {
				t.Fatalf("a debt of %d in %+v is paid before %s", debt, bucket, wait)
			}
		case bucket.After(debt, wait) != 0 || bucket.After(debt, wait-time.Millisecond) == 0:
			t.Fatalf("%s for a debt of %d in %+v", wait, debt, bucket)
		}
	})
}

// TestBucketRemaining: as many whole units as are left fit, and one more does not.
func TestBucketRemaining(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit, debt := rates(t)
		bucket := limit.Bucket()
		left := bucket.Remaining(debt)
		if left < 0 || left > 0 && !bucket.Fits(debt, bucket.Points(left)) || bucket.Fits(debt, bucket.Points(left+1)) {
			t.Fatalf("%d units are left at a debt of %d in %+v", left, debt, bucket)
		}
	})
}

func TestForgetAt(t *testing.T) {
	now := time.Date(2030, time.January, 2, 3, 4, 5, 0, time.UTC)
	for name, tc := range map[string]struct{ until, want time.Time }{
		"no period":          {time.Time{}, now.Add(limiterv1.Retention)},
		"a period that ends": {now.Add(time.Hour), now.Add(time.Hour + limiterv1.Retention)},
		"one that has ended": {now.Add(-time.Hour), now.Add(limiterv1.Retention)},
	} {
		if got := limiterv1.ForgetAt(now, tc.until); !got.Equal(tc.want) {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}
