package replay_test

import (
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/history/replay"
)

const cent = money.Cent

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// at is a moment so many seconds after noon.
func at(seconds float64) time.Time {
	return noon.Add(time.Duration(seconds * float64(time.Second)))
}

// call is a call of acme's ana of ten cents at most, which costs eight and lasts a second.
func call(id string, admitted float64, changes ...func(*replay.PastCall)) replay.PastCall {
	c := replay.PastCall{
		ID: id, Tenant: "acme", User: "ana", Tier: "empleado", Model: "large", Bound: 10 * cent, Cost: 8 * cent, Tokens: 100,
		AdmittedAt: at(admitted), SettledAt: at(admitted + 1),
	}
	for _, change := range changes {
		change(&c)
	}
	return c
}

func by(user string) func(*replay.PastCall)    { return func(c *replay.PastCall) { c.User = user } }
func of(tenant string) func(*replay.PastCall)  { return func(c *replay.PastCall) { c.Tenant = tenant } }
func with(model string) func(*replay.PastCall) { return func(c *replay.PastCall) { c.Model = model } }
func lasts(s float64) func(*replay.PastCall) {
	return func(c *replay.PastCall) { c.SettledAt = c.AdmittedAt.Add(at(s).Sub(noon)) }
}
func using(tokens int64) func(*replay.PastCall) {
	return func(c *replay.PastCall) { c.Tokens = tokens }
}
func under(a ...string) func(*replay.PastCall) { return func(c *replay.PastCall) { c.Ancestors = a } }
func free(c *replay.PastCall)                  { c.Bound, c.Cost = 0, 0 }
func fallback(c *replay.PastCall)              { c.Fallback = true }
func refused(c *replay.PastCall)               { c.Refused, c.Cost, c.SettledAt = true, 0, time.Time{} }
func daily(amount money.Nanos) limiterv1.MoneyLimit {
	return limiterv1.MoneyLimit{Name: "daily", Per: limiterv1.PerTenant, Period: period.Day, Amount: amount}
}

func eachUser(amount money.Nanos) limiterv1.MoneyLimit {
	return limiterv1.MoneyLimit{Name: "each-user", Per: limiterv1.PerUser, Period: period.Day, Amount: amount}
}

// granted is a limit that has more from a second after noon on until another.
func granted(limit limiterv1.MoneyLimit, amount money.Nanos, from, to float64) limiterv1.MoneyLimit {
	limit.Grants = []limiterv1.Grant{{Name: "grant", Amount: amount, StartsAt: at(from), ExpiresAt: at(to)}}
	return limit
}

func grantedTo(user string, limit limiterv1.MoneyLimit) limiterv1.MoneyLimit {
	limit.Grants[0].User = user
	return limit
}

func level(tenant string, limits ...limiterv1.MoneyLimit) limiterv1.Level {
	return limiterv1.Level{Tenant: tenant, TimeZone: "UTC", Money: limits}
}

func acme(limits ...limiterv1.MoneyLimit) limiterv1.Tenant {
	return limiterv1.Tenant{Level: level("acme", limits...)}
}

func tripping(percent int32, limits ...limiterv1.MoneyLimit) limiterv1.Tenant {
	document := acme(limits...)
	document.Ladder = []limiterv1.Rung{{AtPercent: percent, Action: limiterv1.Trip}}
	return document
}

func rated(limit limiterv1.RateLimit) limiterv1.Tenant {
	document := acme()
	limit.Name, limit.Per = "policy/rate", limiterv1.PerUser
	document.Rates = []limiterv1.RateLimit{limit}
	return document
}

func sequence(calls ...replay.PastCall) iter.Seq2[replay.PastCall, error] {
	return func(yield func(replay.PastCall, error) bool) {
		for _, c := range calls {
			if !yield(c, nil) {
				return
			}
		}
	}
}

func history(calls ...replay.PastCall) replay.History {
	return replay.History{From: noon, To: noon.Add(7 * 24 * time.Hour), Calls: sequence(calls...)}
}

// summary is what the tests of rules look at: by which limit and for which reason how
// many calls are refused.
func summary(result replay.Result) map[string]int64 {
	refused := map[string]int64{}
	for _, limit := range result.Limits {
		name := "forced"
		if limit.Money != nil {
			name = limit.Money.Name
		} else if limit.Rate != nil {
			name = limit.Rate.Name
		}
		for reason, tally := range limit.Refused {
			refused[limit.Tenant+"/"+name+" "+string(reason)] += tally.Calls
		}
	}
	return refused
}

func TestRules(t *testing.T) {
	shadow := acme(daily(15 * cent))
	shadow.Enforcement = limiterv1.Shadow
	forcedOpen, forcedClosed := acme(), tripping(50, daily(20*cent))
	forcedOpen.Forced, forcedClosed.Forced = limiterv1.BreakerOpen, limiterv1.BreakerClosed
	child := acme(daily(100 * cent))
	child.Ancestors = []limiterv1.Level{level("holding", daily(30*cent))}
	shadowBelow := acme(daily(5 * cent))
	shadowBelow.Enforcement, shadowBelow.Forced = limiterv1.Shadow, limiterv1.BreakerOpen
	shadowBelow.Ancestors = []limiterv1.Level{level("holding", daily(30*cent))}
	forcedAbove := acme()
	forcedAbove.Forced = limiterv1.BreakerOpen
	forcedAbove.Ancestors = []limiterv1.Level{level("holding")}
	forcedAbove.Ancestors[0].Forced = limiterv1.BreakerOpen
	trippedAbove := acme(daily(100 * cent))
	trippedAbove.Ancestors = []limiterv1.Level{tripping(50, daily(20*cent)).Level}
	trippedAbove.Ancestors[0].Tenant = "holding"
	fallingBackAbove := acme(daily(100 * cent))
	fallingBackAbove.Ancestors = []limiterv1.Level{tripping(50, daily(30*cent)).Level}
	fallingBackAbove.Ancestors[0].Tenant = "holding"
	fallingBackAbove.Ancestors[0].Ladder[0].Fallbacks = []limiterv1.Fallback{{Kind: limiterv1.CheapestModel}}
	fellBack := func(c *replay.PastCall) { c.Fallback = true }
	ofLarge := daily(15 * cent)
	ofLarge.Models = []string{"large"}
	zoned := acme(daily(15 * cent))
	zoned.TimeZone = "Asia/Kolkata" // whose day begins at 18:30 UTC

	for name, tc := range map[string]struct {
		document limiterv1.Tenant
		calls    []replay.PastCall
		opening  []replay.Opening
		want     map[string]int64
	}{
		"what is held counts": {
			document: acme(daily(19 * cent)), calls: []replay.PastCall{call("1", 0), call("2", 0.5), call("3", 1)},
			want: map[string]int64{"acme/daily BudgetExhausted": 1}, // the second; the third finds 8 spent, and 0 held
		},
		"what is refused is not spent": {
			document: acme(daily(15 * cent)), calls: []replay.PastCall{call("1", 0), call("2", 2), call("3", 4), call("4", 6, by("bo"))},
			want: map[string]int64{"acme/daily BudgetExhausted": 3},
		},
		"the period turns": {
			document: acme(daily(15 * cent)), calls: []replay.PastCall{call("1", 0), call("2", 12*3600-1), call("3", 12*3600)},
			want: map[string]int64{"acme/daily BudgetExhausted": 1},
		},
		"a hold ends in the period that it began in": {
			document: acme(daily(15 * cent)), calls: []replay.PastCall{call("1", 12*3600-1, lasts(10)), call("2", 12*3600+1, lasts(1)), call("3", 12*3600+3)},
			want: map[string]int64{"acme/daily BudgetExhausted": 1},
		},
		"by the calendar of the zone": {
			document: zoned, calls: []replay.PastCall{call("1", 0), call("2", 6.5*3600-1), call("3", 6.5*3600)},
			want: map[string]int64{"acme/daily BudgetExhausted": 1},
		},
		"each user apart": {
			document: acme(eachUser(15 * cent)), calls: []replay.PastCall{call("1", 0), call("2", 0, by("bo")), call("3", 5)},
			want: map[string]int64{"acme/each-user BudgetExhausted": 1},
		},
		"of some models": {
			document: acme(ofLarge), calls: []replay.PastCall{call("1", 0, with("small")), call("2", 2), call("3", 4)},
			want: map[string]int64{"acme/daily BudgetExhausted": 1},
		},
		"what was spent before counts": {
			document: acme(daily(15*cent), eachUser(100*cent)), calls: []replay.PastCall{call("1", 0)},
			opening: []replay.Opening{{Tenant: "acme", Limit: "daily", Spent: 4 * cent}, {Tenant: "acme", Limit: "daily", Spent: 2 * cent}, {Tenant: "acme", Limit: "each-user", Owner: limiterv1.Owner{User: "bo"}, Spent: 100 * cent}},
			want:    map[string]int64{"acme/daily BudgetExhausted": 1},
		},
		"what was open before counts, and is not asked about": {
			document: acme(daily(15 * cent)), calls: []replay.PastCall{call("1", -10, lasts(20)), call("2", -9, lasts(2)), call("3", 5), call("4", 11)},
			want: map[string]int64{"acme/daily BudgetExhausted": 2},
		},
		"the Trip rung": {
			document: tripping(50, daily(20*cent)), calls: []replay.PastCall{call("1", 0), call("2", 1, lasts(0.5)), call("3", 10), call("4", 10, fallback)},
			want: map[string]int64{"acme/daily BreakerOpen": 1, "acme/daily BudgetExhausted": 1},
		},
		"the Trip rung stops no call that was admitted within a second": {
			document: tripping(40, daily(100*cent)), calls: []replay.PastCall{call("1", 0, func(c *replay.PastCall) { c.Cost = 40 * cent }), call("2", 1.999), call("3", 2)},
			want: map[string]int64{"acme/daily BreakerOpen": 1},
		},
		"what is granted": {
			document: tripping(90, granted(daily(10*cent), 10*cent, 1, 10)), calls: []replay.PastCall{call("1", 0), call("2", 2), call("3", 4), call("4", 12)},
			want: map[string]int64{"acme/daily BudgetExhausted": 1, "acme/daily BreakerOpen": 1},
		},
		"what is granted to a user": {
			document: acme(grantedTo("bo", granted(eachUser(10*cent), 10*cent, 0, 10))), calls: []replay.PastCall{call("1", 0), call("2", 0, by("bo")), call("3", 2), call("4", 2, by("bo"))},
			want: map[string]int64{"acme/each-user BudgetExhausted": 1},
		},
		"a breaker that is forced closed": {
			document: forcedClosed, calls: []replay.PastCall{call("1", 0), call("2", 5)},
			want: map[string]int64{},
		},
		"a breaker that is forced open lets what is free pass": {
			document: forcedOpen, calls: []replay.PastCall{call("1", 0), call("2", 5, free)},
			want: map[string]int64{"acme/forced BreakerForced": 1},
		},
		"of two breakers that are forced open the nearest refuses": {
			document: forcedAbove, calls: []replay.PastCall{call("1", 0), call("2", 5), call("3", 10)},
			want: map[string]int64{"acme/forced BreakerForced": 3},
		},
		"what is free is no matter of money": {
			document: acme(daily(0)), calls: []replay.PastCall{call("1", 0, free)},
			want: map[string]int64{},
		},
		"shadow takes what it would refuse": {
			document: shadow, calls: []replay.PastCall{call("1", 0), call("2", 5), call("3", 10)},
			want: map[string]int64{"acme/daily BudgetExhausted": 2},
		},
		"a tenant in shadow is refused by what is above alone": {
			document: shadowBelow, calls: []replay.PastCall{call("1", 0), call("2", 5), call("3", 10), call("4", 15), call("5", 20)},
			want: map[string]int64{"acme/forced BreakerForced": 3, "holding/daily BudgetExhausted": 2},
		},
		"a fallback passes no Trip rung above": {
			document: trippedAbove, calls: []replay.PastCall{call("1", 0), call("2", 5), call("3", 10, fellBack)},
			want: map[string]int64{"holding/daily BreakerOpen": 1},
		},
		"a fallback passes a Trip rung above whose tenant falls back, too": {
			document: fallingBackAbove, calls: []replay.PastCall{call("1", 0), call("2", 5), call("3", 10, fellBack)},
			want: map[string]int64{},
		},
		"siblings spend of what is above, and are not asked about": {
			document: child, calls: []replay.PastCall{call("1", 0, of("sister"), under("holding")), call("2", 2, of("sister"), under("holding")), call("3", 4, of("sister"), under("holding")), call("4", 6), call("5", 8, of("stranger"))},
			want: map[string]int64{"holding/daily BudgetExhausted": 1},
		},
		"children are asked about": {
			document: acme(daily(15*cent), eachUser(0)), calls: []replay.PastCall{call("1", 0, of("child"), under("acme")), call("2", 2, of("child"), under("acme"))},
			want: map[string]int64{"acme/daily BudgetExhausted": 1},
		},
		"requests": {
			document: rated(limiterv1.RateLimit{Unit: limiterv1.Requests, Count: 2, Burst: 2, Window: 60_000}),
			calls:    []replay.PastCall{call("1", 0), call("2", 0), call("3", 0, by("bo")), call("4", 29), call("5", 30)},
			want:     map[string]int64{"acme/policy/rate RateLimited": 1},
		},
		"tokens": {
			document: rated(limiterv1.RateLimit{Unit: limiterv1.Tokens, Count: 100, Burst: 150, Window: 60_000}),
			calls:    []replay.PastCall{call("1", 0), call("2", 1), call("3", 31), call("4", 32, func(c *replay.PastCall) { c.Tokens = 151 })},
			want:     map[string]int64{"acme/policy/rate RateLimited": 1, "acme/policy/rate TooLarge": 1},
		},
		"tokens that a call gives back after they have flowed in": {
			// Had the first call held 100 tokens, these would all be there again when the second takes
			// as many. So its end pays for the second, and the third fits, but not the fourth.
			document: rated(limiterv1.RateLimit{Unit: limiterv1.Tokens, Count: 100, Burst: 100, Window: 60_000}),
			calls:    []replay.PastCall{call("1", 0, lasts(90), using(0)), call("2", 80), call("3", 91), call("4", 92)},
			want:     map[string]int64{"acme/policy/rate RateLimited": 1},
		},
		"tokens that a call took before are not known": {
			// A call that had ended by then may have given back as many.
			document: rated(limiterv1.RateLimit{Unit: limiterv1.Tokens, Count: 100, Burst: 100, Window: 60_000}),
			calls:    []replay.PastCall{call("1", -10, lasts(10)), call("2", 2), call("3", 4)},
			want:     map[string]int64{"acme/policy/rate RateLimited": 1},
		},
		"in flight": {
			document: rated(limiterv1.RateLimit{Unit: limiterv1.InFlight, Burst: 1}),
			calls:    []replay.PastCall{call("1", 0), call("2", 0.5), call("3", 1)},
			want:     map[string]int64{"acme/policy/rate RateLimited": 1},
		},
		"money refuses before rates": {
			document: func() limiterv1.Tenant {
				d := rated(limiterv1.RateLimit{Unit: limiterv1.Requests, Count: 1, Burst: 1, Window: 60_000})
				d.Money = []limiterv1.MoneyLimit{eachUser(0), daily(0)}
				return d
			}(),
			calls: []replay.PastCall{call("1", 0), call("2", 0)},
			want:  map[string]int64{"acme/daily BudgetExhausted": 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := history(tc.calls...)
			h.Opening = tc.opening
			result, err := replay.Run(tc.document, h)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, summary(result)); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
		})
	}
}

// TestResult: everything that is told of one replay.
func TestResult(t *testing.T) {
	document := tripping(50, daily(20*cent), eachUser(100*cent))
	result, err := replay.Run(document, history(
		call("1", 0), call("2", 10), call("3", 20), call("4", 21, by("bo")), call("5", 22, by("bo")),
		call("6", 12*3600, by("bo")),
	))
	if err != nil {
		t.Fatal(err)
	}
	limits := result.Limits
	result.Limits = nil
	want := replay.Result{
		From: noon, To: noon.Add(7 * 24 * time.Hour),
		Admitted: replay.Tally{Calls: 6, Cost: 48 * cent}, Refused: replay.Tally{Calls: 3, Cost: 24 * cent},
		Users: []replay.User{
			{Tenant: "acme", Name: "bo", Admitted: replay.Tally{Calls: 3, Cost: 24 * cent}, Refused: replay.Tally{Calls: 2, Cost: 16 * cent}},
			{Tenant: "acme", Name: "ana", Admitted: replay.Tally{Calls: 3, Cost: 24 * cent}, Refused: replay.Tally{Calls: 1, Cost: 8 * cent}},
		},
	}
	if diff := cmp.Diff(want, result); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	midnight := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	wantPeriods := []replay.Period{{
		Start: midnight, End: midnight.AddDate(0, 0, 1), Spent: 16 * cent, TrippedAt: at(11),
		Refused: replay.Tally{Calls: 3, Cost: 24 * cent},
	}}
	if len(limits) != 2 || limits[0].Total() != (replay.Tally{Calls: 3, Cost: 24 * cent}) || limits[1].Total().Calls != 0 {
		t.Fatalf("limits: got %+v, want three refused by the first of two", limits)
	}
	if diff := cmp.Diff(wantPeriods, limits[0].Periods); diff != "" {
		t.Errorf("periods (-want +got):\n%s", diff)
	}
}

// TestWereRefused: what was refused then is asked about again, and costs what it is
// estimated to cost.
func TestWereRefused(t *testing.T) {
	calls := []replay.PastCall{
		call("1", 0), // 8 of 10 cents, so others cost four fifths of their bound
		call("2", 5, refused), call("3", 10, refused, fallback), call("3", 10.01, fallback, with("small")),
		call("4", 15, refused, with("other")), // nobody knows what that costs: its bound
		call("5", 20, refused),
	}
	for name, tc := range map[string]struct {
		amount                         money.Nanos
		admitted, wereRefused, fitting replay.Tally
		refused                        int64
	}{
		"as it was": {15 * cent, replay.Tally{Calls: 2, Cost: 16 * cent}, replay.Tally{Calls: 4, Cost: 34 * cent}, replay.Tally{}, 1},
		"raised":    {36 * cent, replay.Tally{Calls: 1, Cost: 8 * cent}, replay.Tally{Calls: 4, Cost: 34 * cent}, replay.Tally{Calls: 3, Cost: 26 * cent}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := replay.Run(acme(daily(tc.amount)), history(calls...))
			if err != nil {
				t.Fatal(err)
			}
			if result.Admitted != tc.admitted || result.WereRefused != tc.wereRefused || result.Fitting != tc.fitting || result.Refused.Calls != tc.refused {
				t.Errorf("got %+v, want %+v", result, tc)
			}
		})
	}
}

func TestRunFails(t *testing.T) {
	lost := errors.New("connection lost")
	broken := func(yield func(replay.PastCall, error) bool) {
		_ = yield(call("1", 0), nil) && yield(replay.PastCall{}, lost)
	}
	nowhere := acme()
	nowhere.TimeZone = "Nowhere/Land"
	for name, tc := range map[string]struct {
		document limiterv1.Tenant
		calls    iter.Seq2[replay.PastCall, error]
		is       func(error) bool
	}{
		"the calls cannot be read": {acme(), broken, func(err error) bool { return errors.Is(err, lost) }},
		"not in order":             {acme(), sequence(call("1", 1), call("2", 0)), func(err error) bool { return errors.Is(err, replay.ErrOrder) }},
		"no such zone": {nowhere, sequence(), func(err error) bool {
			var zone *replay.ZoneError
			return errors.As(err, &zone) && zone.Zone == "Nowhere/Land"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := replay.Run(tc.document, replay.History{Calls: tc.calls}); !tc.is(err) {
				t.Errorf("got %v, which is another error", err)
			}
		})
	}
}
