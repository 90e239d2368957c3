package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	goredis "github.com/redis/go-redis/v9"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// probedTenant has limits of all kinds, for tiers and models that no one call has.
func probedTenant() limiterv1.Tenant {
	limit := func(name string, per limiterv1.Scope, kind period.Kind, s limiterv1.Selector) limiterv1.MoneyLimit {
		return limiterv1.MoneyLimit{Name: name, Per: per, Period: kind, Amount: money.USD, Selector: s}
	}
	rate := func(name string, per limiterv1.Scope, unit limiterv1.Unit, tier string) limiterv1.RateLimit {
		r := limiterv1.RateLimit{Name: name, Per: per, Unit: unit, Count: 1, Burst: 1, Window: 60_000}
		if tier != "" {
			r.Tiers = []string{tier}
		}
		if unit == limiterv1.InFlight {
			r.Count, r.Window = 0, 0
		}
		return r
	}
	all := limiterv1.Selector{}
	return limiterv1.Tenant{
		Level: limiterv1.Level{
			Tenant: uuid.NewString(), TimeZone: "Europe/Berlin",
			Money: []limiterv1.MoneyLimit{
				limit("dear", limiterv1.PerTenant, period.Day, limiterv1.Selector{Models: []string{"gpt-4o", "o3"}}),
				limit("daily", limiterv1.PerTenant, period.Day, all),
				limit("each", limiterv1.PerUser, period.Month, all),
				limit("bosses", limiterv1.PerTenant, period.Day, limiterv1.Selector{Tiers: []string{"gerente"}, Models: []string{"o3"}}),
			},
			Rates: []limiterv1.RateLimit{
				rate("p/a", limiterv1.PerUser, limiterv1.Requests, "empleado"), rate("p/b", limiterv1.PerUser, limiterv1.Tokens, "gerente"),
				rate("p/c", limiterv1.PerTenant, limiterv1.InFlight, ""), rate("p/d", limiterv1.PerUser, limiterv1.InFlight, ""),
				rate("p/e", limiterv1.PerTenant, limiterv1.Requests, ""),
			},
			Ladder: []limiterv1.Rung{{AtPercent: 50, Action: limiterv1.Downgrade}, {AtPercent: 90, Action: limiterv1.Trip}},
		},
		Ancestors: []limiterv1.Level{{
			Tenant: uuid.NewString(), TimeZone: "UTC",
			Money: []limiterv1.MoneyLimit{limit("monthly", limiterv1.PerTenant, period.Month, all)},
			Rates: []limiterv1.RateLimit{rate("q/f", limiterv1.PerTenant, limiterv1.InFlight, "")},
		}},
	}
}

// TestProbe: a probe sees every limit as the limiter is asked about it, however much is
// spent, and leaves nothing behind.
func TestProbe(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*limiterv1.Tenant)
		// spent is what was spent beforehand.
		spent money.Nanos
	}{
		"nothing spent":              {},
		"a Downgrade rung reached":   {spent: 50 * money.Cent},
		"tripped":                    {spent: 95 * money.Cent},
		"exhausted":                  {spent: money.USD, change: func(d *limiterv1.Tenant) { d.Ladder = nil }},
		"shadow":                     {spent: money.USD, change: func(d *limiterv1.Tenant) { d.Enforcement = limiterv1.Shadow }},
		"forced open":                {change: func(d *limiterv1.Tenant) { d.Ancestors[0].Forced = limiterv1.BreakerOpen }},
		"forced open, and shadow":    {change: func(d *limiterv1.Tenant) { d.Forced, d.Enforcement = limiterv1.BreakerOpen, limiterv1.Shadow }},
		"forced closed":              {spent: 95 * money.Cent, change: func(d *limiterv1.Tenant) { d.Forced = limiterv1.BreakerClosed }},
		"no limits of the tenant":    {change: func(d *limiterv1.Tenant) { d.Money, d.Rates = nil, nil }},
		"no limits and nobody above": {change: func(d *limiterv1.Tenant) { d.Money, d.Rates, d.Ancestors = nil, nil, nil }},
		"granted": {spent: 50 * money.Cent, change: func(d *limiterv1.Tenant) {
			d.Money[1].Grants = []limiterv1.Grant{{Name: "grant", Amount: money.USD, ExpiresAt: time.Now().Add(time.Hour)}}
		}},
		"a share for when Redis goes": {change: func(d *limiterv1.Tenant) { d.StoreLossPercent = 5 }},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, client := t.Context(), newClient(t)
			document := probedTenant()
			if tc.change != nil {
				tc.change(&document)
			}
			tenant, err := admission.NewTenant(document)
			if err != nil {
				t.Fatal(err)
			}
			if err := openTenant(client, document); err != nil {
				t.Fatal(err)
			}
			session := uuid.NewString()
			admitter := admission.NewAdmitter(newStore(client, session))
			if tc.spent > 0 {
				spendForProbe(t, admitter, document, tc.spent)
			}
			before := everything(t, client, document, session)

			answer, err := admitter.Probe(ctx, tenant)
			if err != nil {
				t.Fatal(err)
			}
			if why := answer.Contradiction(document); why != "" {
				t.Errorf("the probe contradicts the document: %s\n%+v", why, answer)
			}
			if diff := cmp.Diff(before, everything(t, client, document, session)); diff != "" {
				t.Errorf("the probe has left something behind (-before +after):\n%s", diff)
			}
			if open := len(admitter.OpenCalls()); open != 0 {
				t.Errorf("%d calls are open", open)
			}
			document.Forced, document.Ancestors = limiterv1.BreakerOpen, nil
			document.Enforcement = limiterv1.Enforce
			if why := answer.Contradiction(document); why == "" {
				t.Error("the probe does not contradict another document")
			}
		})
	}
}

// spendForProbe makes a call of the tenant that costs so much.
func spendForProbe(t *testing.T, admitter *admission.Admitter, document limiterv1.Tenant, cost money.Nanos) {
	t.Helper()
	document.Rates = nil
	tenant, err := admission.NewTenant(document)
	if err != nil {
		t.Fatal(err)
	}
	d, err := admitter.Admit(t.Context(), tenant, newCall(tenant, cost))
	if err != nil || d.Hold == nil {
		t.Fatalf("spend %s: %+v, %v", cost, d.Refusal, err)
	}
	if err := d.Hold.Settle(t.Context(), cost, 0, &ledgerv1.Entry{}); err != nil {
		t.Fatal(err)
	}
	d.Hold.Done()
}

// everything is what Redis has of a tenant and of a session's calls: money by its
// counters, buckets by their debts.
func everything(t *testing.T, client *goredis.Client, document limiterv1.Tenant, session string) map[string]string {
	t.Helper()
	found := map[string]string{}
	note := func(key string) {
		fields, err := client.HGetAll(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		for field, value := range fields {
			switch counter, err := limiterv1.DecodeMoneyCounter([]byte(value)); {
			case err == nil && counter.Spent == 0 && counter.Held == 0:
				continue // as good as none
			case field == limiterv1.SeqField:
				continue // how often something was admitted, also a probe
			case strings.HasPrefix(field, "rate:"):
				value = value[:8] // the debt, without when it was so
			}
			if value != string(make([]byte, 8)) {
				found[key+" "+field] = value
			}
		}
	}
	pattern := "bursar:*" + document.Tenant + "*"
	keys, err := client.Keys(t.Context(), pattern).Result()
	if err != nil {
		t.Fatal(err)
	}
	keys = append(keys, limiterv1.CallsKey(limiterv1.Shard(document.Root()), session))
	for _, level := range document.Ancestors {
		keys = append(keys, limiterv1.TenantCountersKey(document.Root(), level.Tenant))
	}
	for _, key := range keys {
		found["key "+key] = ""
		note(key)
	}
	return found
}
