package store_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

var (
	testTiers  = []string{"empleado", "gerente"}
	testModels = []string{"large", "small"}
	testGroups = []string{"eu", "eu, west", "research"}
	testKeys   = []string{"", "acme/ci", "acme/laptop"}
	testLabels = []map[string]string{nil, {"team": "search"}, {"team": "search", "site": "a"}, {"team": "ads"}}
)

func drawTenant(t *rapid.T) limiterv1.Tenant {
	var doc limiterv1.Tenant
	doc.Level = drawLevel(t, "", limiterv1.Scopes())
	for range rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "ancestors") {
		doc.Ancestors = append(doc.Ancestors, drawLevel(t, "", []limiterv1.Scope{limiterv1.PerTenant}))
	}
	return doc
}

func drawLevel(t *rapid.T, name string, scopes []limiterv1.Scope) limiterv1.Level {
	l := limiterv1.Level{Tenant: name, TimeZone: "UTC"}
	if name == "" {
		l.Tenant = uuid.NewString()
		l.TimeZone = rapid.SampledFrom([]string{"UTC", "America/Argentina/Buenos_Aires", "Asia/Kathmandu", "Australia/Lord_Howe"}).Draw(t, "zone")
	}
	l.Ladder = drawLadder(t)
	drawEnforcement(t, &l)
	for _, per := range scopes {
		for _, kind := range append(period.Kinds(), "90s") {
			if rapid.IntRange(0, 4).Draw(t, "has limit") == 0 {
				l.Money = append(l.Money, limiterv1.MoneyLimit{
					Name: fmt.Sprintf("%s-%s", kind, per), Per: per, Period: kind,
					Amount:   money.Nanos(rapid.Int64Range(0, 400).Draw(t, "amount")),
					Selector: drawSelector(t),
				})
			}
		}
		for i := range rapid.IntRange(0, 2).Draw(t, "rates") {
			l.Rates = append(l.Rates, drawRate(t, fmt.Sprintf("policy/%s-%d", per, i), per))
		}
	}
	return l
}

func drawEnforcement(t *rapid.T, l *limiterv1.Level) {
	l.Enforcement = rapid.SampledFrom([]limiterv1.Enforcement{"", limiterv1.Enforce, limiterv1.Shadow}).Draw(t, "enforcement")
	l.Forced = rapid.SampledFrom([]limiterv1.BreakerState{
		"", "", "", "", "", "", "", "", limiterv1.BreakerClosed, limiterv1.BreakerOpen,
	}).Draw(t, "forced")
}

func drawLadder(t *rapid.T) (ladder []limiterv1.Rung) {
	for _, rung := range []limiterv1.Rung{
		{AtPercent: 60, Action: limiterv1.Downgrade, Models: map[string]string{"large": "small"}},
		{AtPercent: 80, Action: limiterv1.Warn},
		{AtPercent: 90, Action: limiterv1.Trip, Fallbacks: drawFallbacks(t)},
	} {
		if rapid.Bool().Draw(t, string(rung.Action)) {
			ladder = append(ladder, rung)
		}
	}
	return ladder
}

func drawFallbacks(t *rapid.T) []limiterv1.Fallback {
	return rapid.SampledFrom([][]limiterv1.Fallback{
		nil, {{Kind: limiterv1.Message}}, {{Kind: limiterv1.CheapestModel}}, {{Kind: limiterv1.CheapestModel, Models: testModels[1:]}},
	}).Draw(t, "fallbacks")
}

func drawSelector(t *rapid.T) (s limiterv1.Selector) {
	if rapid.IntRange(0, 3).Draw(t, "selects tiers") == 0 {
		s.Tiers = testTiers[:1]
	}
	if rapid.IntRange(0, 3).Draw(t, "selects models") == 0 {
		s.Models = testModels[1:]
	}
	if rapid.IntRange(0, 3).Draw(t, "selects groups") == 0 {
		s.Groups = testGroups[1:]
	}
	if rapid.IntRange(0, 5).Draw(t, "selects labels") == 0 {
		s.Labels = testLabels[1]
	}
	return s
}

// drawSubject is a caller, of some groups and labels, perhaps with a key.
func drawSubject(t *rapid.T, tenant string) admission.Subject {
	return admission.Subject{
		Tenant:     tenant,
		User:       rapid.SampledFrom([]string{"a", "b"}).Draw(t, "user"),
		Tier:       rapid.SampledFrom(testTiers).Draw(t, "tier"),
		Credential: rapid.SampledFrom(testKeys).Draw(t, "key"),
		Labels:     rapid.SampledFrom(testLabels).Draw(t, "labels"),
		Groups: slices.DeleteFunc(slices.Clone(testGroups), func(group string) bool {
			return rapid.Bool().Draw(t, "is not in "+group)
		}),
	}
}

func drawRate(t *rapid.T, name string, per limiterv1.Scope) limiterv1.RateLimit {
	limit := limiterv1.RateLimit{
		Name: name, Per: per, Selector: drawSelector(t),
		Unit:    rapid.SampledFrom([]limiterv1.Unit{limiterv1.Requests, limiterv1.Tokens, limiterv1.InFlight}).Draw(t, "unit"),
		Imposed: rapid.Bool().Draw(t, "imposed"),
		Burst:   rapid.Int64Range(1, 20).Draw(t, "burst"),
	}
	if limit.Unit != limiterv1.InFlight {
		limit.Count = rapid.Int64Range(1, 7).Draw(t, "count")
		limit.Window = limiterv1.Duration(rapid.Int64Range(1000, 100_000).Draw(t, "window"))
	}
	return limit
}

func (h *history) drawGrants(t *rapid.T, per limiterv1.Scope) (grants []limiterv1.Grant) {
	for range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "grants") {
		starts := h.now.Add(time.Duration(rapid.IntRange(-200, 200).Draw(t, "starts")) * time.Second)
		grant := limiterv1.Grant{
			Amount:   money.Nanos(rapid.Int64Range(1, 400).Draw(t, "granted")),
			StartsAt: starts, ExpiresAt: starts.Add(time.Duration(rapid.IntRange(1, 400).Draw(t, "lasts")) * time.Second),
		}
		if rapid.Bool().Draw(t, "at once") {
			grant.StartsAt = time.Time{}
		}
		names := map[limiterv1.Scope][]string{
			limiterv1.PerTenant: {""}, limiterv1.PerUser: {"", "a", "b"}, limiterv1.PerGroup: append([]string{""}, testGroups...), limiterv1.PerKey: testKeys,
		}[per]
		grant.Owner = limiterv1.OwnerOf(per, rapid.SampledFrom(names).Draw(t, "granted to"))
		grants = append(grants, grant)
	}
	return grants
}
