package api

import (
	"errors"
	"testing"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// TestWhatATenantsAdminMayChange: an admin of a tenant may let it spend less as a whole, but
// not more, and may divide that among users at will.
func TestWhatATenantsAdminMayChange(t *testing.T) {
	spec := func() v1alpha1.TenantBudgetSpec {
		return v1alpha1.TenantBudgetSpec{
			Limits: []v1alpha1.MoneyLimit{
				{Name: "daily", Period: "Day", Amount: "5.00"},
				{Name: "each", Period: "Day", Amount: "0.50", Per: v1alpha1.ScopeUser},
				{Name: "costly", Period: "Month", Amount: "20", Per: v1alpha1.ScopeTenant, Models: []v1alpha1.ModelName{"gpt-5", "o3"}},
			},
			Ladder: []v1alpha1.Rung{{AtPercent: 80, Action: v1alpha1.ActionWarn}, {AtPercent: 90, Action: v1alpha1.ActionTrip}},
		}
	}
	for name, tc := range map[string]struct {
		change func(*v1alpha1.TenantBudgetSpec)
		// want is the parameter that is refused; empty for none.
		want string
	}{
		"nothing":                       {func(*v1alpha1.TenantBudgetSpec) {}, ""},
		"lowers":                        {func(s *v1alpha1.TenantBudgetSpec) { s.Limits[0].Amount = "4.99" }, ""},
		"the same, otherwise written":   {func(s *v1alpha1.TenantBudgetSpec) { s.Limits[0].Amount = "5.000" }, ""},
		"raises":                        {func(s *v1alpha1.TenantBudgetSpec) { s.Limits[0].Amount = "5.000000001" }, "body.limits[0].amount"},
		"removes":                       {func(s *v1alpha1.TenantBudgetSpec) { s.Limits = s.Limits[1:] }, "body.limits"},
		"renames":                       {func(s *v1alpha1.TenantBudgetSpec) { s.Limits[0].Name = "dayly" }, "body.limits"},
		"for a shorter period":          {func(s *v1alpha1.TenantBudgetSpec) { s.Limits[0].Period = "Hour" }, "body.limits[0]"},
		"for each user instead":         {func(s *v1alpha1.TenantBudgetSpec) { s.Limits[0].Per = v1alpha1.ScopeUser }, "body.limits[0]"},
		"for fewer calls":               {func(s *v1alpha1.TenantBudgetSpec) { s.Limits[0].Tiers = []v1alpha1.Tier{"gerente"} }, "body.limits[0]"},
		"for calls with a label":        {func(s *v1alpha1.TenantBudgetSpec) { s.Limits[0].Labels = v1alpha1.CallerLabels{"a": "b"} }, "body.limits[0]"},
		"for one model less":            {func(s *v1alpha1.TenantBudgetSpec) { s.Limits[2].Models = s.Limits[2].Models[:1] }, "body.limits[2]"},
		"the same models, in any order": {func(s *v1alpha1.TenantBudgetSpec) { s.Limits[2].Models = []v1alpha1.ModelName{"o3", "gpt-5"} }, ""},
		"another limit": {func(s *v1alpha1.TenantBudgetSpec) {
			s.Limits = append(s.Limits, v1alpha1.MoneyLimit{Name: "weekly", Period: "Week", Amount: "900"})
		}, ""},
		"raises each user's":        {func(s *v1alpha1.TenantBudgetSpec) { s.Limits[1].Amount = "900" }, ""},
		"removes each user's":       {func(s *v1alpha1.TenantBudgetSpec) { s.Limits = []v1alpha1.MoneyLimit{s.Limits[2], s.Limits[0]} }, ""},
		"warns otherwise":           {func(s *v1alpha1.TenantBudgetSpec) { s.Ladder[0].AtPercent = 10 }, ""},
		"trips earlier":             {func(s *v1alpha1.TenantBudgetSpec) { s.Ladder[1].AtPercent = 85 }, ""},
		"trips later":               {func(s *v1alpha1.TenantBudgetSpec) { s.Ladder[1].AtPercent = 91 }, "body.ladder[1].atPercent"},
		"trips never":               {func(s *v1alpha1.TenantBudgetSpec) { s.Ladder = s.Ladder[:1] }, "body.ladder"},
		"without a ladder":          {func(s *v1alpha1.TenantBudgetSpec) { s.Ladder = nil }, "body.ladder"},
		"a fallback that spends":    {func(s *v1alpha1.TenantBudgetSpec) { s.Ladder[1].Fallback = []v1alpha1.Fallback{"CheapestModel"} }, "body.ladder[1].fallback"},
		"a fallback that does not":  {func(s *v1alpha1.TenantBudgetSpec) { s.Ladder[1].Fallback = []v1alpha1.Fallback{"Cache"} }, ""},
		"an amount that is none":    {func(s *v1alpha1.TenantBudgetSpec) { s.Limits[0].Amount = "many" }, ""}, // the API server refuses it
		"a limit per what is there": {func(s *v1alpha1.TenantBudgetSpec) { s.Limits[0].Per = v1alpha1.ScopeTenant }, ""},
	} {
		was, is := spec(), spec()
		tc.change(&is)
		checkReserved(t, name, reserved(&was, &is), tc.want)
	}
}

// TestTheCheapestModelStays: no change lets callers spend more beyond the Trip rung than
// before.
func TestTheCheapestModelStays(t *testing.T) {
	trip := func(models ...v1alpha1.ModelName) v1alpha1.TenantBudgetSpec {
		return v1alpha1.TenantBudgetSpec{Ladder: []v1alpha1.Rung{{
			AtPercent: 90, Action: v1alpha1.ActionTrip, Fallback: []v1alpha1.Fallback{v1alpha1.FallbackCheapestModel},
			CheapestModel: &v1alpha1.CheapestModelFallback{Models: models},
		}}}
	}
	const refused = "body.ladder[0].cheapestModel.models"
	for name, tc := range map[string]struct {
		was, is v1alpha1.TenantBudgetSpec
		want    string
	}{
		"the same":                {trip("mini", "nano"), trip("nano", "mini"), ""},
		"one more":                {trip("mini"), trip("mini", "nano"), ""},
		"all":                     {trip("mini"), trip(), ""},
		"another":                 {trip("mini"), trip("large"), refused},
		"one less":                {trip("mini", "nano"), trip("mini"), refused},
		"one in the place of all": {trip(), trip("large"), refused},
	} {
		checkReserved(t, name, reserved(&tc.was, &tc.is), tc.want)
	}
}

// TestWhatATenantsAdminMayChangeOfRates is the same of rate limits.
func TestWhatATenantsAdminMayChangeOfRates(t *testing.T) {
	number := func(n int64) *int64 { return &n }
	rates := func() []v1alpha1.RateLimit {
		return []v1alpha1.RateLimit{
			{Name: "all", Per: v1alpha1.ScopeTenant, Requests: number(100), Window: "1m"},
			{Name: "each", Per: v1alpha1.ScopeUser, Requests: number(5), Window: "1m"},
			{Name: "at-once", Per: v1alpha1.ScopeTenant, Concurrent: number(4)},
		}
	}
	for name, tc := range map[string]struct {
		change func(r []v1alpha1.RateLimit) []v1alpha1.RateLimit
		want   string
	}{
		"nothing":          {func(r []v1alpha1.RateLimit) []v1alpha1.RateLimit { return r }, ""},
		"lowers":           {func(r []v1alpha1.RateLimit) []v1alpha1.RateLimit { r[0].Requests = number(99); return r }, ""},
		"raises":           {func(r []v1alpha1.RateLimit) []v1alpha1.RateLimit { r[0].Requests = number(101); return r }, "body.limits[0].requests"},
		"raises at once":   {func(r []v1alpha1.RateLimit) []v1alpha1.RateLimit { r[2].Concurrent = number(5); return r }, "body.limits[2].concurrent"},
		"a burst":          {func(r []v1alpha1.RateLimit) []v1alpha1.RateLimit { r[0].Burst = number(101); return r }, "body.limits[0].burst"},
		"a shorter window": {func(r []v1alpha1.RateLimit) []v1alpha1.RateLimit { r[0].Window = "1s"; return r }, "body.limits[0]"},
		"tokens instead": {func(r []v1alpha1.RateLimit) []v1alpha1.RateLimit {
			r[0].Requests, r[0].Tokens = nil, number(1)
			return r
		}, "body.limits[0]"},
		"per user":           {func(r []v1alpha1.RateLimit) []v1alpha1.RateLimit { r[0].Per = v1alpha1.ScopeUser; return r }, "body.limits[0]"},
		"removes":            {func(r []v1alpha1.RateLimit) []v1alpha1.RateLimit { return r[1:] }, "body.limits"},
		"raises each user's": {func(r []v1alpha1.RateLimit) []v1alpha1.RateLimit { r[1].Requests = number(900); return r }, ""},
	} {
		checkReserved(t, name, reservedOfRates(rates(), tc.change(rates())), tc.want)
	}
}

func checkReserved(t *testing.T, name string, err error, want string) {
	t.Helper()
	var p *Problem
	if err == nil && want == "" {
		return
	}
	if !errors.As(err, &p) || p.Status != 403 || p.Errors[0].Parameter != want {
		t.Errorf("%s: %v, want %q", name, err, want)
	}
}
