package limiterv1_test

import (
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// TestOutputCap: the lowest cap that selects a call holds, whoever of the tenant and its
// ancestors has it, except for those in Shadow.
func TestOutputCap(t *testing.T) {
	capped := func(most int64, tier, model string) limiterv1.OutputCap {
		c := limiterv1.OutputCap{MaxOutputTokens: most}
		if tier != "" {
			c.Tiers = []string{tier}
		}
		if model != "" {
			c.Models = []string{"another", model}
		}
		return c
	}
	tenant := limiterv1.Tenant{
		Level: limiterv1.Level{OutputCaps: []limiterv1.OutputCap{capped(400, "", ""), capped(300, "trainee", ""), capped(8000, "", ""),
			{Selector: limiterv1.Selector{Groups: []string{"research"}, Models: []string{"local"}}, MaxOutputTokens: 250},
			{Selector: limiterv1.Selector{Groups: []string{"sales"}}, MaxOutputTokens: 1},
			{Selector: limiterv1.Selector{Labels: map[string]string{"team": "search"}}, MaxOutputTokens: 1},
		}},
		Ancestors: []limiterv1.Level{
			{},
			{OutputCaps: []limiterv1.OutputCap{capped(200, "", "dear")}},
			{OutputCaps: []limiterv1.OutputCap{capped(1, "", "")}, Enforcement: limiterv1.Shadow},
		},
	}
	shadow := tenant
	shadow.Enforcement = limiterv1.Shadow
	for name, tc := range map[string]struct {
		tenant      limiterv1.Tenant
		tier, model string
		want        int64
	}{
		"of all":                         {tenant, "boss", "cheap", 400},
		"of the tier":                    {tenant, "trainee", "cheap", 300},
		"of the group":                   {tenant, "trainee", "local", 250},
		"of an ancestor, for the model":  {tenant, "trainee", "dear", 200},
		"in shadow, the ancestor's":      {shadow, "trainee", "dear", 200},
		"in shadow, of what has no caps": {shadow, "trainee", "cheap", 0},
		"of nobody":                      {limiterv1.Tenant{}, "boss", "dear", 0},
	} {
		if got := tc.tenant.OutputCap(limiterv1.Caller{Tier: tc.tier, Groups: []string{"research"}}, tc.model); got != tc.want {
			t.Errorf("%s: got %d, want %d", name, got, tc.want)
		}
	}
}
