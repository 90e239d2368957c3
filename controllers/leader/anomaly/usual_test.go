package anomaly

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/hack/testkit"
)

func TestUnusual(t *testing.T) {
	same := func(n int, amount money.Nanos) (all []money.Nanos) {
		for range n {
			all = append(all, amount)
		}
		return all
	}
	for name, tc := range map[string]struct {
		spent   money.Nanos
		samples []money.Nanos
		want    bool
	}{
		"four times as much":                 {4*money.USD + 1, same(24, money.USD), true},
		"not quite":                          {4 * money.USD, same(24, money.USD), false},
		"nothing before, above the floor":    {money.USD + 1, same(24, 0), true},
		"nothing before, at the floor":       {money.USD, same(24, 0), false},
		"too little is known":                {100 * money.USD, same(11, money.USD), false},
		"one such hour before is no excuse":  {10 * money.USD, append(same(23, money.USD), 10*money.USD), true},
		"such hours are usual":               {10 * money.USD, append(same(11, money.USD), same(13, 9*money.USD)...), false},
		"a wide spread takes more":           {8 * money.USD, append(append(same(8, money.USD/2), same(8, money.USD)...), same(8, 2*money.USD)...), true},
		"a wide spread takes more than that": {8 * money.USD, append(append(same(8, money.USD/10), same(8, money.USD)...), same(8, 3*money.USD)...), false},
	} {
		if _, got := unusual(tc.spent, money.USD, tc.samples); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

// TestComparedWith: hours are those of the zone, also where clocks changed since.
func TestComparedWith(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	testkit.Must(t, err)
	hours := comparedWith(time.Date(2026, 11, 4, 9, 0, 0, 0, zone), zone)
	for i, want := range map[int]time.Time{
		1: time.Date(2026, 10, 28, 9, 0, 0, 0, zone), 4: time.Date(2026, 10, 21, 9, 0, 0, 0, zone), // before clocks went back
		0: time.Date(2026, 10, 28, 8, 0, 0, 0, zone), 23: time.Date(2026, 9, 9, 10, 0, 0, 0, zone),
	} {
		if !hours[i].Equal(want) {
			t.Errorf("hour %d is %s, want %s", i, hours[i].In(zone), want)
		}
	}
	if len(hours) != hoursAWeek*weeks {
		t.Errorf("%d hours", len(hours))
	}
}

// history is what somebody spends, hour by hour from a Monday on.
type history []money.Nanos

// made is a made-up history of so many weeks. By day more is spent than at night, and little at
// weekends; every hour differs from what it would be by a factor that is distributed log-normally;
// spending grows; some hours have nothing, and some workdays are holidays.
func made(r *rand.Rand, long int, noise, growth float64) history {
	h := make(history, long*7*24)
	scale := math.Exp(r.NormFloat64()) * float64(2*money.USD)
	for day := range long * 7 {
		holiday := r.IntN(30) == 0
		for hour := range 24 {
			level := 0.05 + math.Exp(-math.Pow(float64(hour)-14, 2)/18)
			if day%7 >= 5 || holiday {
				level *= 0.15
			}
			level *= math.Pow(1+growth, float64(day)/7) * math.Exp(noise*r.NormFloat64())
			if r.IntN(50) > 0 {
				h[day*24+hour] = money.Nanos(scale * level)
			}
		}
	}
	return h
}

// isTold is whether somebody is told of an hour that costs so many times as much.
func (h history) isTold(hour, times int) bool {
	var samples []money.Nanos
	for week := 1; week <= weeks; week++ {
		same := hour - week*7*24
		samples = append(samples, h[same-1:same+2]...)
	}
	_, is := unusual(h[hour]*money.Nanos(times), money.USD, samples)
	return is
}

// alarms are on how many days from a week on somebody is told.
func (h history) alarms(from int) (days int) {
	last := -1
	for hour := from * 7 * 24; hour < len(h); hour++ {
		if day := hour / 24; day != last && h.isTold(hour, 1) {
			last, days = day, days+1
		}
	}
	return days
}

// TestFalseAlarms measures, on made-up histories, how often somebody is told of spending that is as
// usual, and how often of an hour on a workday that costs many times as much. docs/alerts.md has
// the figures.
func TestFalseAlarms(t *testing.T) {
	const owners, long, from = 60, 22, 10
	for _, tc := range []struct {
		noise, growth float64
		// most is how many false alarms there may be in a hundred weeks of an owner.
		most float64
	}{
		{0.2, 0, 2}, {0.2, 0.03, 2}, {0.4, 0.03, 15}, {0.6, 0.03, 120},
	} {
		r := rand.New(rand.NewPCG(1, 2))
		falseAlarms, found, injected := 0, map[int]int{}, 0
		for range owners {
			h := made(r, long, tc.noise, tc.growth)
			falseAlarms += h.alarms(from)
			noon := (long-1)*7*24 + (r.IntN(5))*24 + 14
			if h[noon] < money.USD {
				continue
			}
			injected++
			for _, times := range []int{5, 10, 20} {
				if h.isTold(noon, times) {
					found[times]++
				}
			}
		}
		rate := float64(falseAlarms) / float64(owners*(long-from)) * 100
		t.Logf("noise %.1f, growth %.0f %% a week: %.1f false alarms in 100 weeks of an owner; of hours that cost 5, 10, 20 times as much, %d, %d, %d %% are told",
			tc.noise, tc.growth*100, rate, found[5]*100/injected, found[10]*100/injected, found[20]*100/injected)
		if rate > tc.most || found[10]*100 < 80*injected {
			t.Errorf("%.1f false alarms, want at most %.1f; %d of %d hours found that cost ten times as much", rate, tc.most, found[10], injected)
		}
	}
}
