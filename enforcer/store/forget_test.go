package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// TestUsersAreRememberedForTheirLongestPeriod: whatever a user calls, what was spent
// is known until the last of the user's periods is over, and not for ever.
func TestUsersAreRememberedForTheirLongestPeriod(t *testing.T) {
	ctx := context.Background()
	perUser := func(kind period.Kind, models ...string) limiterv1.MoneyLimit {
		return limiterv1.MoneyLimit{
			Name: string(kind), Per: limiterv1.PerUser, Period: kind, Amount: money.USD,
			Selector: limiterv1.Selector{Models: models},
		}
	}
	aSecond := []limiterv1.RateLimit{{Name: "policy/rate", Per: limiterv1.PerUser, Unit: limiterv1.Requests, Count: 100, Burst: 100, Window: 1000}}
	large := func(c *admission.Request) { c.Model = "large" }
	small := func(c *admission.Request) { c.Model = "small" }
	free := func(c *admission.Request) { c.Model, c.Bound = "small", 0 }
	yearly := perUser(period.Year, "large")
	for name, tc := range map[string]struct {
		limits []limiterv1.MoneyLimit
		calls  []func(*admission.Request)
		// want is the period of which the end is outlived; empty for a day from now.
		want period.Kind
	}{
		"a call that counts in the longest":      {[]limiterv1.MoneyLimit{yearly}, []func(*admission.Request){large}, period.Year},
		"then one that counts in a shorter":      {[]limiterv1.MoneyLimit{yearly, perUser(period.Day)}, []func(*admission.Request){large, small}, period.Year},
		"then a new one in a shorter":            {[]limiterv1.MoneyLimit{yearly, perUser(period.Minute, "small")}, []func(*admission.Request){large, small}, period.Year},
		"then a free one":                        {[]limiterv1.MoneyLimit{yearly}, []func(*admission.Request){large, free}, period.Year},
		"a free one first":                       {[]limiterv1.MoneyLimit{yearly}, []func(*admission.Request){free, large}, period.Year},
		"buckets alone, which are full in a day": {nil, []func(*admission.Request){small, small}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			client, tenant := newClient(t), newTenant(t, tc.limits, aSecond)
			admitter := admission.NewAdmitter(newStore(client, uuid.NewString()))
			for _, of := range tc.calls {
				call := newCall(tenant, money.Cent)
				of(&call)
				if d, err := admitter.Admit(ctx, tenant, call); err != nil || d.Hold == nil {
					t.Fatalf("%+v, %v", d.Refusal, err)
				}
			}
			key := limiterv1.CountersKey(tenant.Name(), testEpoch(client), tenant.Name(), limiterv1.Owner{User: "user"})
			got, err := client.PExpireTime(ctx, key).Result()
			if err != nil {
				t.Fatal(err)
			}
			forgotten := time.UnixMilli(got.Milliseconds())
			needed := time.Now()
			if tc.want != "" {
				needed = period.Containing(tc.want, time.UTC, needed).End
			}
			if !forgotten.After(needed) || forgotten.After(needed.Add(48*time.Hour)) {
				t.Errorf("the user is forgotten at %s, want at most two days after %s", forgotten.UTC(), needed.UTC())
			}
		})
	}
}
