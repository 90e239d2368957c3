package tenantbudget

import (
	"testing"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
)

// TestForecast: what a limit of five dollars a day has spent, minute by minute, and
// when it is said to be exhausted after the last of them.
func TestForecast(t *testing.T) {
	const cent = money.Cent
	steady := func(minutes int, each money.Nanos) []money.Nanos {
		var spent []money.Nanos
		for i := range minutes {
			spent = append(spent, money.Nanos(i)*each)
		}
		return spent
	}
	for name, tc := range map[string]struct {
		spent []money.Nanos
		// want is how long after the last look; zero for never.
		want time.Duration
	}{
		"nothing known yet":            {spent: []money.Nanos{100 * cent}},
		"nothing spent":                {spent: []money.Nanos{0, 0, 0}},
		"spent some time ago":          {spent: append(steady(5, 10*cent), unchanged(20, 40*cent)...)},
		"ten cents a minute":           {spent: steady(11, 10*cent), want: 40 * time.Minute},
		"ten cents a minute, for long": {spent: steady(31, 10*cent), want: 20 * time.Minute},
		"too slow to end today":        {spent: steady(11, cent/2)},
		"used up":                      {spent: steady(11, 50*cent)},
		"counted anew":                 {spent: []money.Nanos{0, 300 * cent, 10 * cent}},
		"faster of late":               {spent: append(steady(30, 0), steady(13, 10*cent)...), want: 38 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			var s spendings
			var limit limitUsage
			now := noon
			for i, spent := range tc.spent {
				now = noon.Add(time.Duration(i) * time.Minute)
				level, err := measure(tenantWith(usualLadder, daily(5*money.USD)), spentAt(now, map[period.Kind]money.Nanos{period.Day: spent}))
				if err != nil {
					t.Fatal(err)
				}
				s.take(&level)
				limit = level.limits[0]
			}
			got := time.Duration(0)
			if !limit.exhaustsAt.IsZero() {
				got = limit.exhaustsAt.Sub(now)
			}
			if got != tc.want {
				t.Errorf("exhausted %s after the last look, want %s", got, tc.want)
			}
		})
	}
}

func unchanged(n int, amount money.Nanos) []money.Nanos {
	spent := make([]money.Nanos, n)
	for i := range spent {
		spent[i] = amount
	}
	return spent
}

// TestForecastOfAnotherPeriod: what was spent before a new period began is no rate.
func TestForecastOfAnotherPeriod(t *testing.T) {
	var s spendings
	for i, now := range []time.Time{noon, noon.AddDate(0, 0, 1)} {
		level, err := measure(tenantWith(usualLadder, daily(5*money.USD)), spentAt(now, map[period.Kind]money.Nanos{period.Day: money.USD * money.Nanos(i+1)}))
		if err != nil {
			t.Fatal(err)
		}
		s.take(&level)
		if at := level.limits[0].exhaustsAt; !at.IsZero() {
			t.Errorf("look %d: exhausted at %s, want never", i, at)
		}
	}
}

// TestForecastOfTheLargestAmounts: neither the largest limit nor the longest period
// overflows.
func TestForecastOfTheLargestAmounts(t *testing.T) {
	yearly := limiterv1.MoneyLimit{Name: "yearly", Per: limiterv1.PerTenant, Period: period.Year, Amount: 9_000_000 * money.USD}
	var s spendings
	var limit limitUsage
	for i, spent := range []money.Nanos{1, 2} {
		level, err := measure(tenantWith(usualLadder, yearly),
			spentAt(noon.Add(time.Duration(i)*recent), map[period.Kind]money.Nanos{period.Year: spent}))
		if err != nil {
			t.Fatal(err)
		}
		s.take(&level)
		limit = level.limits[0]
	}
	if !limit.exhaustsAt.IsZero() {
		t.Errorf("at a nano-dollar in ten minutes, exhausted at %s, want never", limit.exhaustsAt)
	}
}
