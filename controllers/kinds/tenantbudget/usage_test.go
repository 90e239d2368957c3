package tenantbudget

import (
	"testing"
	"time"
	_ "time/tzdata" // as in the manager

	"github.com/google/go-cmp/cmp"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// noon is in the middle of a Wednesday in UTC, and 9 in the morning in Buenos Aires.
var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

var usualLadder = []limiterv1.Rung{{AtPercent: 80, Action: limiterv1.Warn}, {AtPercent: 90, Action: limiterv1.Trip}}

func daily(amount money.Nanos) limiterv1.MoneyLimit {
	return limiterv1.MoneyLimit{Name: "daily", Per: limiterv1.PerTenant, Period: period.Day, Amount: amount}
}

func monthly(amount money.Nanos) limiterv1.MoneyLimit {
	return limiterv1.MoneyLimit{Name: "monthly", Per: limiterv1.PerTenant, Period: period.Month, Amount: amount}
}

func tenantWith(ladder []limiterv1.Rung, limits ...limiterv1.MoneyLimit) limiterv1.Level {
	return limiterv1.Level{Tenant: "acme", TimeZone: "UTC", Money: limits, Ladder: ladder}
}

// spentAt are counters at a moment, of the periods in UTC that it lies in.
func spentAt(now time.Time, spent map[period.Kind]money.Nanos) limiterstore.Reading {
	counters := limiterstore.Reading{Now: now, Money: map[string]limiterv1.MoneyCounter{}}
	for kind, amount := range spent {
		span := period.Containing(kind, time.UTC, now)
		counters.Money[limiterv1.MoneyField(limiterv1.MoneyLimit{Period: kind})] = limiterv1.MoneyCounter{Start: span.Start, End: span.End, Spent: amount, Held: 7}
	}
	return counters
}

// summary is what tests look at in a usage.
type summary struct {
	Rungs            map[string]limiterv1.Action
	Spent            map[string]money.Nanos
	Nearest, Tripped string
	NextReset        time.Time
}

func summarize(u *usage) summary {
	s := summary{Rungs: map[string]limiterv1.Action{}, Spent: map[string]money.Nanos{}}
	for _, limit := range u.own().limits {
		s.Rungs[limit.Name], s.Spent[limit.Name] = limit.rung, limit.spent
	}
	if nearest := u.nearest(); nearest != nil {
		s.Nearest = nearest.Name
	}
	if tripped := u.tripped(); tripped != nil {
		s.Tripped = tripped.Name
	}
	s.NextReset, _ = u.nextTurn()
	return s
}

func TestMeasure(t *testing.T) {
	const warn, trip = limiterv1.Warn, limiterv1.Trip
	midnight := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	december := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		tenant   limiterv1.Level
		counters limiterstore.Reading
		want     summary
	}{
		"nothing was ever spent": {
			tenant:   tenantWith(usualLadder, daily(5*money.USD), monthly(100*money.USD)),
			counters: spentAt(noon, nil),
			want: summary{
				Rungs: map[string]limiterv1.Action{"daily": "", "monthly": ""}, Spent: map[string]money.Nanos{"daily": 0, "monthly": 0},
				Nearest: "daily", NextReset: midnight,
			},
		},
		"a nano-dollar below the first rung": {
			tenant:   tenantWith(usualLadder, daily(5*money.USD)),
			counters: spentAt(noon, map[period.Kind]money.Nanos{period.Day: 4*money.USD - 1}),
			want: summary{
				Rungs: map[string]limiterv1.Action{"daily": ""}, Spent: map[string]money.Nanos{"daily": 4*money.USD - 1},
				Nearest: "daily", NextReset: midnight,
			},
		},
		"at the first rung": {
			tenant:   tenantWith(usualLadder, daily(5*money.USD)),
			counters: spentAt(noon, map[period.Kind]money.Nanos{period.Day: 4 * money.USD}),
			want: summary{
				Rungs: map[string]limiterv1.Action{"daily": warn}, Spent: map[string]money.Nanos{"daily": 4 * money.USD},
				Nearest: "daily", NextReset: midnight,
			},
		},
		"a nano-dollar below the breaker": {
			tenant:   tenantWith(usualLadder, daily(5*money.USD)),
			counters: spentAt(noon, map[period.Kind]money.Nanos{period.Day: 450*money.Cent - 1}),
			want: summary{
				Rungs: map[string]limiterv1.Action{"daily": warn}, Spent: map[string]money.Nanos{"daily": 450*money.Cent - 1},
				Nearest: "daily", NextReset: midnight,
			},
		},
		"at the breaker": {
			tenant:   tenantWith(usualLadder, daily(5*money.USD), monthly(100*money.USD)),
			counters: spentAt(noon, map[period.Kind]money.Nanos{period.Day: 450 * money.Cent, period.Month: 81 * money.USD}),
			want: summary{
				Rungs:   map[string]limiterv1.Action{"daily": trip, "monthly": warn},
				Spent:   map[string]money.Nanos{"daily": 450 * money.Cent, "monthly": 81 * money.USD},
				Nearest: "daily", Tripped: "daily", NextReset: midnight,
			},
		},
		"the limit that holds the breaker open for longest is named": {
			tenant:   tenantWith(usualLadder, daily(5*money.USD), monthly(100*money.USD)),
			counters: spentAt(noon, map[period.Kind]money.Nanos{period.Day: 5 * money.USD, period.Month: 90 * money.USD}),
			want: summary{
				Rungs:   map[string]limiterv1.Action{"daily": trip, "monthly": trip},
				Spent:   map[string]money.Nanos{"daily": 5 * money.USD, "monthly": 90 * money.USD},
				Nearest: "daily", Tripped: "monthly", NextReset: midnight,
			},
		},
		"the period has turned since": {
			tenant: tenantWith(usualLadder, daily(5*money.USD)),
			counters: limiterstore.Reading{Now: midnight, Money: map[string]limiterv1.MoneyCounter{
				limiterv1.MoneyField(daily(0)): {Start: midnight.AddDate(0, 0, -1), End: midnight, Spent: 5 * money.USD},
			}},
			want: summary{
				Rungs: map[string]limiterv1.Action{"daily": ""}, Spent: map[string]money.Nanos{"daily": 0},
				Nearest: "daily", NextReset: midnight.AddDate(0, 0, 1),
			},
		},
		"the tenant has moved to another zone since, where the day goes on": {
			tenant: func() limiterv1.Level {
				moved := tenantWith(usualLadder, daily(5*money.USD))
				moved.TimeZone = "America/Argentina/Buenos_Aires"
				return moved
			}(),
			counters: limiterstore.Reading{Now: midnight.Add(time.Hour), Money: map[string]limiterv1.MoneyCounter{
				limiterv1.MoneyField(daily(0)): {Start: midnight.AddDate(0, 0, -1), End: midnight, Spent: 5 * money.USD},
			}},
			want: summary{
				Rungs: map[string]limiterv1.Action{"daily": trip}, Spent: map[string]money.Nanos{"daily": 5 * money.USD},
				Nearest: "daily", Tripped: "daily", NextReset: midnight.Add(3 * time.Hour),
			},
		},
		"a limit of some calls stops those, and not the tenant": {
			tenant: func() limiterv1.Level {
				level := tenantWith(usualLadder, daily(5*money.USD), monthly(100*money.USD))
				level.Money[0].Tiers, level.Money[1].Models = []string{"gerente"}, []string{"gpt-4o"}
				return level
			}(),
			counters: limiterstore.Reading{Now: noon, Money: map[string]limiterv1.MoneyCounter{
				"money:Day;tiers=gerente":   {Start: noon.Add(-12 * time.Hour), End: midnight, Spent: 5 * money.USD},
				"money:Month;models=gpt-4o": {Start: noon.Add(-12 * time.Hour), End: december, Spent: 95 * money.USD},
			}},
			want: summary{
				Rungs:   map[string]limiterv1.Action{"daily": trip, "monthly": trip},
				Spent:   map[string]money.Nanos{"daily": 5 * money.USD, "monthly": 95 * money.USD},
				Nearest: "daily", NextReset: midnight,
			},
		},
		"a breaker forced closed": {
			tenant: func() limiterv1.Level {
				level := tenantWith(usualLadder, daily(5*money.USD))
				level.Forced = limiterv1.BreakerClosed
				return level
			}(),
			counters: spentAt(noon, map[period.Kind]money.Nanos{period.Day: 5 * money.USD}),
			want: summary{
				Rungs: map[string]limiterv1.Action{"daily": trip}, Spent: map[string]money.Nanos{"daily": 5 * money.USD},
				Nearest: "daily", NextReset: midnight,
			},
		},
		"no ladder": {
			tenant:   tenantWith(nil, daily(5*money.USD)),
			counters: spentAt(noon, map[period.Kind]money.Nanos{period.Day: 6 * money.USD}),
			want: summary{
				Rungs: map[string]limiterv1.Action{"daily": ""}, Spent: map[string]money.Nanos{"daily": 6 * money.USD},
				Nearest: "daily", NextReset: midnight,
			},
		},
		"a limit of nothing is reached at once": {
			tenant:   tenantWith(usualLadder, monthly(0)),
			counters: spentAt(noon, nil),
			want: summary{
				Rungs: map[string]limiterv1.Action{"monthly": trip}, Spent: map[string]money.Nanos{"monthly": 0},
				Nearest: "monthly", Tripped: "monthly", NextReset: december,
			},
		},
		"limits of single users do not show": {
			tenant: tenantWith(usualLadder, limiterv1.MoneyLimit{
				Name: "each-user", Per: limiterv1.PerUser, Period: period.Day, Amount: money.Cent}),
			counters: spentAt(noon, map[period.Kind]money.Nanos{period.Day: 5 * money.USD}),
			want:     summary{Rungs: map[string]limiterv1.Action{}, Spent: map[string]money.Nanos{}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := measure(tc.tenant, tc.counters)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, summarize(&usage{levels: []levelUsage{got}})); diff != "" {
				t.Errorf("usage (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMeasureInTheTenantsZone(t *testing.T) {
	tenant := tenantWith(usualLadder, daily(5*money.USD))
	tenant.TimeZone = "America/Argentina/Buenos_Aires"
	got, err := measure(tenant, spentAt(noon, nil))
	if err != nil {
		t.Fatal(err)
	}
	want := time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC)
	if reset, _ := (&usage{levels: []levelUsage{got}}).nextTurn(); !reset.Equal(want) {
		t.Errorf("resets at %s, want midnight in Buenos Aires, %s", reset, want)
	}
	tenant.TimeZone = "Mars/Olympus_Mons"
	if got, err := measure(tenant, spentAt(noon, nil)); err == nil {
		t.Errorf("measured %+v in a zone that does not exist", got)
	}
}
