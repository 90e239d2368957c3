package limiterv1_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
)

// probed is a document with everything that a probe can see.
func probed() limiterv1.Tenant {
	return limiterv1.Tenant{
		Level: limiterv1.Level{
			Tenant: "acme", TimeZone: "America/Argentina/Buenos_Aires",
			Money: []limiterv1.MoneyLimit{
				{Name: "daily", Per: limiterv1.PerTenant, Period: period.Day, Amount: 5 * money.USD},
				{Name: "each", Per: limiterv1.PerUser, Period: "5m", Amount: money.USD, Selector: limiterv1.Selector{Tiers: []string{"gerente"}}},
			},
			Rates:  []limiterv1.RateLimit{{Name: "tiers/all", Per: limiterv1.PerUser, Unit: limiterv1.Requests, Count: 5, Burst: 5, Window: 60_000, Imposed: true}},
			Ladder: []limiterv1.Rung{{AtPercent: 80, Action: limiterv1.Warn}, {AtPercent: 90, Action: limiterv1.Trip}},
		},
		Ancestors: []limiterv1.Level{{
			Tenant: "company", TimeZone: "UTC",
			Money:  []limiterv1.MoneyLimit{{Name: "monthly", Per: limiterv1.PerTenant, Period: period.Month, Amount: 50 * money.USD}},
			Ladder: []limiterv1.Rung{{AtPercent: 50, Action: limiterv1.Downgrade}},
		}},
	}
}

// answerOf is the answer of an enforcer that admits calls by a document.
func answerOf(t *testing.T, document limiterv1.Tenant) limiterv1.ProbeAnswer {
	t.Helper()
	var answer limiterv1.ProbeAnswer
	for _, level := range append([]limiterv1.Level{document.Level}, document.Ancestors...) {
		zone, err := time.LoadLocation(level.TimeZone)
		if err != nil {
			t.Fatal(err)
		}
		p := limiterv1.ProbedLevel{Tenant: level.Tenant, Shadow: level.Waives(), Rates: level.Rates}
		for _, limit := range level.Money {
			asked := level.Probed(limit, time.Now())
			asked.ResetsAt = period.Containing(limit.Period, zone, time.Now()).End
			p.Money = append(p.Money, asked)
		}
		answer.Levels = append(answer.Levels, p)
	}
	return answer
}

// granted is two dollars until long after now.
var granted = limiterv1.Grant{Name: "grant", Amount: 2 * money.USD, ExpiresAt: time.Now().Add(time.Hour)}

// TestContradictionOfGrants: what is granted at present is in the amount.
func TestContradictionOfGrants(t *testing.T) {
	document := probed()
	expired := limiterv1.Grant{Name: "expired", Amount: money.USD, ExpiresAt: time.Now().Add(-time.Hour)}
	anns := limiterv1.Grant{Name: "of a user", Owner: limiterv1.Owner{User: "ann"}, Amount: money.USD, ExpiresAt: time.Now().Add(time.Hour)}
	document.Money[0].Grants = []limiterv1.Grant{expired, granted}
	document.Money[1].Grants = []limiterv1.Grant{anns}
	if got := onTheWire(t, answerOf(t, document)).Contradiction(document); got != "" {
		t.Errorf("as granted: %q", got)
	}
	if got := onTheWire(t, answerOf(t, probed())).Contradiction(document); !strings.Contains(got, "limit daily of tenant acme: 5.00 USD") {
		t.Errorf("without what was granted: %q", got)
	}
	started := granted
	started.StartsAt = time.Now().Add(-time.Minute)
	document.Money[0].Grants = []limiterv1.Grant{started}
	if got := onTheWire(t, answerOf(t, probed())).Contradiction(document); !strings.Contains(got, "grants start or expire at 9999-12-31") {
		t.Errorf("without what was granted a minute ago: %q", got)
	}
}

// onTheWire is an answer as the control plane reads it.
func onTheWire(t *testing.T, answer limiterv1.ProbeAnswer) (read limiterv1.ProbeAnswer) {
	t.Helper()
	raw, err := json.Marshal(answer)
	if err == nil {
		err = json.Unmarshal(raw, &read)
	}
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// TestContradiction: an enforcer that admits calls by any other document than the one
// that it says it runs is found out.
func TestContradiction(t *testing.T) {
	for name, tc := range map[string]struct {
		admitsBy func(*limiterv1.Tenant)
		answers  func(*limiterv1.ProbeAnswer)
		want     string
	}{
		"as written":              {},
		"another amount":          {admitsBy: func(d *limiterv1.Tenant) { d.Money[0].Amount = 4 * money.USD }, want: "limit daily of tenant acme: 4.00 USD, want 5.00"},
		"another period":          {admitsBy: func(d *limiterv1.Tenant) { d.Money[0].Period = period.Week }, want: "counts per Tenant in a Week"},
		"another scope":           {admitsBy: func(d *limiterv1.Tenant) { d.Money[0].Per = limiterv1.PerUser }, want: "counts per User"},
		"other tiers":             {admitsBy: func(d *limiterv1.Tenant) { d.Money[1].Tiers = []string{"empleado"} }, want: "tiers=empleado"},
		"another zone":            {admitsBy: func(d *limiterv1.Tenant) { d.TimeZone = "Asia/Tokyo" }, want: "not the end of a Day in America/Argentina/Buenos_Aires"},
		"another ladder":          {admitsBy: func(d *limiterv1.Tenant) { d.Ladder[1].AtPercent = 95 }, want: "its rungs are"},
		"a rung that only warns":  {admitsBy: func(d *limiterv1.Tenant) { d.Ladder[1].Action = limiterv1.Warn }, want: "its rungs are"},
		"a grant":                 {admitsBy: func(d *limiterv1.Tenant) { d.Money[0].Grants = []limiterv1.Grant{granted} }, want: "limit daily of tenant acme: 7.00 USD, want 5.00"},
		"no such limit":           {admitsBy: func(d *limiterv1.Tenant) { d.Money = d.Money[:1] }, want: "limit each of tenant acme was not checked"},
		"a limit too many":        {admitsBy: func(d *limiterv1.Tenant) { d.Rates = append(d.Rates, limiterv1.RateLimit{Name: "old"}) }, want: "4 limits of tenant acme were checked, want 3"},
		"another rate":            {admitsBy: func(d *limiterv1.Tenant) { d.Rates[0].Count = 6 }, want: "rate limit tiers/all of tenant acme: 6 requests"},
		"no such rate":            {admitsBy: func(d *limiterv1.Tenant) { d.Rates = nil }, want: "rate limit tiers/all of tenant acme was not checked"},
		"no parent":               {admitsBy: func(d *limiterv1.Tenant) { d.Ancestors = nil }, want: "no limit of tenant company was checked"},
		"another amount above":    {admitsBy: func(d *limiterv1.Tenant) { d.Ancestors[0].Money[0].Amount++ }, want: "limit monthly of tenant company"},
		"shadow":                  {answers: func(a *limiterv1.ProbeAnswer) { a.Levels[0].Shadow = true }, want: "shadow of tenant acme is true, want false"},
		"shadow above":            {answers: func(a *limiterv1.ProbeAnswer) { a.Levels[1].Shadow = true }, want: "shadow of tenant company is true, want false"},
		"not imposed":             {admitsBy: func(d *limiterv1.Tenant) { d.Rates[0].Imposed = false }, want: "rate limit tiers/all of tenant acme: 5 requests, at most 5, in 1m0s per User, want 5 requests, at most 5, in 1m0s per User, imposed"},
		"forced open":             {answers: func(a *limiterv1.ProbeAnswer) { a.Forced = "company" }, want: "as if the breaker of tenant company"},
		"nothing was decided":     {answers: func(a *limiterv1.ProbeAnswer) { a.Failure = "the limiter is suspended" }, want: "the limiter is suspended"},
		"an ancestor more":        {answers: func(a *limiterv1.ProbeAnswer) { a.Levels = append(a.Levels, limiterv1.ProbedLevel{Tenant: "old"}) }, want: "limits of tenant old were checked, which is not an ancestor"},
		"limits of another order": {answers: func(a *limiterv1.ProbeAnswer) { m := a.Levels[0].Money; m[0], m[1] = m[1], m[0] }},
	} {
		t.Run(name, func(t *testing.T) {
			other := probed()
			if tc.admitsBy != nil {
				tc.admitsBy(&other)
			}
			answer := answerOf(t, other)
			if tc.answers != nil {
				tc.answers(&answer)
			}
			got := onTheWire(t, answer).Contradiction(probed())
			if tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
				t.Errorf("contradiction %q, want %q", got, tc.want)
			}
		})
	}
}

// TestContradictionOfABreaker: where a breaker is forced open, no limit is asked.
func TestContradictionOfABreaker(t *testing.T) {
	document := probed()
	document.Ancestors[0].Forced = limiterv1.BreakerOpen
	if got := (limiterv1.ProbeAnswer{Forced: "company"}).Contradiction(document); got != "" {
		t.Errorf("of the breaker that is forced open: %q", got)
	}
	if got := answerOf(t, document).Contradiction(document); !strings.Contains(got, "calls are admitted although") {
		t.Errorf("of a breaker that is not: %q", got)
	}
	document.Enforcement = limiterv1.Shadow
	if got := answerOf(t, document).Contradiction(document); !strings.Contains(got, "calls are admitted although") {
		t.Errorf("of a breaker that is not, above a tenant in shadow: %q", got)
	}
	document.Ancestors[0].Enforcement = limiterv1.Shadow
	if got := answerOf(t, document).Contradiction(document); got != "" {
		t.Errorf("of a breaker that is in shadow: %q", got)
	}
}
