package compile_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	_ "time/tzdata" // as in the manager

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

func budget() *v1alpha1.TenantBudget {
	return &v1alpha1.TenantBudget{
		ObjectMeta: meta("acme", 3),
		Spec: v1alpha1.TenantBudgetSpec{
			Tenant:   "acme",
			TimeZone: "America/Argentina/Buenos_Aires",
			Limits: []v1alpha1.MoneyLimit{
				{Name: "monthly", Period: "Month", Amount: "100.00", Per: v1alpha1.ScopeTenant},
				{Name: "daily", Period: "Day", Amount: "5.000000001"},
				{Name: "each-user", Period: "Day", Amount: "0", Per: v1alpha1.ScopeUser},
			},
			Ladder: []v1alpha1.Rung{{AtPercent: 90, Action: "Trip"}, {AtPercent: 80, Action: "Warn"}},
		},
	}
}

func TestTenant(t *testing.T) {
	going := policy("going", requests("r", 1))
	going.DeletionTimestamp = ptr.To(metav1.Now())
	broken := policy("broken", requests("r", 0))
	policies := []v1alpha1.RateLimitPolicy{
		policy("b", requests("second", 2), requests("first", 1)),
		going,
		broken,
		policy("a", v1alpha1.RateLimit{
			Name: "tiers", Per: v1alpha1.ScopeUser, Tiers: []v1alpha1.Tier{"gerente", "empleado"},
			Tokens: ptr.To[int64](1000), Burst: ptr.To[int64](5000), Window: "1h30m",
		}),
	}
	want := limiterv1.Tenant{
		Sources: []limiterv1.Source{
			source("TenantBudget", "acme", 3), source("RateLimitPolicy", "a", 1), source("RateLimitPolicy", "b", 1),
		},
		Level: limiterv1.Level{
			Tenant:   "acme",
			TimeZone: "America/Argentina/Buenos_Aires",
			Money: []limiterv1.MoneyLimit{
				{Name: "monthly", Per: limiterv1.PerTenant, Period: period.Month, Amount: 100 * money.USD},
				{Name: "daily", Per: limiterv1.PerTenant, Period: period.Day, Amount: 5*money.USD + 1},
				{Name: "each-user", Per: limiterv1.PerUser, Period: period.Day, Amount: 0},
			},
			Rates: []limiterv1.RateLimit{
				{Name: "a/tiers", Per: limiterv1.PerUser, Selector: limiterv1.Selector{Tiers: []string{"empleado", "gerente"}}, Unit: limiterv1.Tokens, Count: 1000, Burst: 5000, Window: 5_400_000},
				{Name: "b/second", Per: limiterv1.PerUser, Unit: limiterv1.Requests, Count: 2, Burst: 2, Window: 60_000},
				{Name: "b/first", Per: limiterv1.PerUser, Unit: limiterv1.Requests, Count: 1, Burst: 1, Window: 60_000},
			},
			Ladder: []limiterv1.Rung{{AtPercent: 80, Action: limiterv1.Warn}, {AtPercent: 90, Action: limiterv1.Trip}},
		},
		FitOutputTokens: 1024,
	}
	wantJSON, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		rand.Shuffle(len(policies), func(i, j int) { policies[i], policies[j] = policies[j], policies[i] })
		got, errs := compile.Tenant(budget(), policies, nil)
		if diff := cmp.Diff(want, got); diff != "" || len(errs) > 0 {
			t.Fatalf("errors %v; document (-want +got):\n%s", errs, diff)
		}
		if gotJSON, err := json.Marshal(got); err != nil || string(gotJSON) != string(wantJSON) {
			t.Fatalf("encoded %s, %v, want %s", gotJSON, err, wantJSON)
		}
	}
}

func TestTenantOfLittle(t *testing.T) {
	b := budget()
	b.Spec.TimeZone, b.Spec.Ladder, b.Spec.Limits = "", nil, b.Spec.Limits[:1]
	got, errs := compile.Tenant(b, nil, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	raw, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"sources":[{"kind":"TenantBudget","namespace":"acme","name":"acme","uid":"uid-acme","generation":3}],` +
		`"tenant":"acme","timeZone":"UTC","money":[{"name":"monthly","per":"Tenant","period":"Month","amount":100000000000}],` +
		`"rates":[],"ladder":[],"fitOutputTokens":1024}`
	if diff := cmp.Diff(want, string(raw)); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
}

// TestTenantWithEverything: what can be said of a tenant stands in its document.
func TestTenantWithEverything(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*v1alpha1.TenantBudgetSpec)
		want   func(*limiterv1.Tenant)
	}{
		"a fixed window": {
			change: func(s *v1alpha1.TenantBudgetSpec) { s.Limits[0].Period = "5m" },
			want:   func(t *limiterv1.Tenant) { t.Money[0].Period = "5m" },
		},
		"tiers and models, in their order": {
			change: func(s *v1alpha1.TenantBudgetSpec) {
				s.Limits[0].Tiers, s.Limits[0].Models = []v1alpha1.Tier{"gerente", "empleado"}, []v1alpha1.ModelName{"o1", "gpt-4o"}
			},
			want: func(t *limiterv1.Tenant) {
				t.Money[0].Selector = limiterv1.Selector{Tiers: []string{"empleado", "gerente"}, Models: []string{"gpt-4o", "o1"}}
			},
		},
		"a ladder that downgrades": {
			change: func(s *v1alpha1.TenantBudgetSpec) {
				s.Ladder = append(s.Ladder, v1alpha1.Rung{AtPercent: 85, Action: "Downgrade", Models: []v1alpha1.Replacement{
					{From: "gpt-4o", To: "gpt-4o-mini"}, {From: "o1", To: "gpt-4o-mini"},
				}})
			},
			want: func(t *limiterv1.Tenant) {
				t.Ladder = []limiterv1.Rung{
					{AtPercent: 80, Action: limiterv1.Warn},
					{AtPercent: 85, Action: limiterv1.Downgrade, Models: map[string]string{"gpt-4o": "gpt-4o-mini", "o1": "gpt-4o-mini"}},
					{AtPercent: 90, Action: limiterv1.Trip},
				}
			},
		},
		"fallbacks, in their order": {
			change: func(s *v1alpha1.TenantBudgetSpec) {
				s.Ladder = []v1alpha1.Rung{{
					AtPercent: 90, Action: "Trip", Fallback: []v1alpha1.Fallback{"CheapestModel", "Cache", "Message"},
					Message: "The budget is used up.", Cache: &v1alpha1.CacheFallback{MaxAge: "5m"},
					CheapestModel: &v1alpha1.CheapestModelFallback{Models: []v1alpha1.ModelName{"small", "free"}},
				}}
			},
			want: func(t *limiterv1.Tenant) {
				t.Ladder = []limiterv1.Rung{{AtPercent: 90, Action: limiterv1.Trip, Fallbacks: []limiterv1.Fallback{
					{Kind: limiterv1.CheapestModel, Models: []string{"free", "small"}},
					{Kind: limiterv1.Cache, MaxAge: 300_000},
					{Kind: limiterv1.Message, Text: "The budget is used up."},
				}}}
			},
		},
		"fallbacks of which nothing is said": {
			change: func(s *v1alpha1.TenantBudgetSpec) {
				s.Ladder = []v1alpha1.Rung{{AtPercent: 90, Action: "Trip", Fallback: []v1alpha1.Fallback{"Cache", "CheapestModel"}}}
			},
			want: func(t *limiterv1.Tenant) {
				t.Ladder = []limiterv1.Rung{{AtPercent: 90, Action: limiterv1.Trip, Fallbacks: []limiterv1.Fallback{
					{Kind: limiterv1.Cache, MaxAge: 3_600_000}, {Kind: limiterv1.CheapestModel},
				}}}
			},
		},
		"a breaker forced open":   {forced(v1alpha1.BreakerOpen), func(t *limiterv1.Tenant) { t.Forced = limiterv1.BreakerOpen }},
		"a breaker forced closed": {forced(v1alpha1.BreakerClosed), func(t *limiterv1.Tenant) { t.Forced = limiterv1.BreakerClosed }},
		"a breaker left alone":    {forced(""), func(*limiterv1.Tenant) {}},
		"shadow": {
			change: func(s *v1alpha1.TenantBudgetSpec) { s.Enforcement = v1alpha1.EnforcementShadow },
			want:   func(t *limiterv1.Tenant) { t.Enforcement = limiterv1.Shadow },
		},
		"enforcement as ever": {
			change: func(s *v1alpha1.TenantBudgetSpec) { s.Enforcement = v1alpha1.EnforcementEnforce },
			want:   func(*limiterv1.Tenant) {},
		},
		"another status of refusals for money": {
			change: func(s *v1alpha1.TenantBudgetSpec) { s.BudgetRefusalStatus = 402 },
			want:   func(t *limiterv1.Tenant) { t.BudgetRefusalStatus = 402 },
		},
		"assumed output": {
			change: func(s *v1alpha1.TenantBudgetSpec) { s.AssumedOutputTokens = ptr.To[int64](500) },
			want:   func(t *limiterv1.Tenant) { t.AssumedOutputTokens = 500 },
		},
		"caps on output": {
			change: func(s *v1alpha1.TenantBudgetSpec) {
				s.OutputCaps = []v1alpha1.OutputCap{
					{MaxOutputTokens: 4096},
					{Tiers: []v1alpha1.Tier{"gerente", "empleado"}, Models: []v1alpha1.ModelName{"o1"}, MaxOutputTokens: 64000},
				}
			},
			want: func(t *limiterv1.Tenant) {
				t.OutputCaps = []limiterv1.OutputCap{
					{MaxOutputTokens: 4096},
					{Selector: limiterv1.Selector{Tiers: []string{"empleado", "gerente"}, Models: []string{"o1"}}, MaxOutputTokens: 64000},
				}
			},
		},
		"a higher minimum of what is lowered": {
			change: func(s *v1alpha1.TenantBudgetSpec) { s.Fit = &v1alpha1.Fit{MinOutputTokens: 3000} },
			want:   func(t *limiterv1.Tenant) { t.FitOutputTokens = 3000 },
		},
		"the usual minimum": {
			change: func(s *v1alpha1.TenantBudgetSpec) { s.Fit = &v1alpha1.Fit{Mode: v1alpha1.FitLowerOutput} },
			want:   func(t *limiterv1.Tenant) { t.FitOutputTokens = 1024 },
		},
		"nothing is lowered": {
			change: func(s *v1alpha1.TenantBudgetSpec) {
				s.Fit = &v1alpha1.Fit{Mode: v1alpha1.FitRefuse, MinOutputTokens: 1024}
			},
			want: func(t *limiterv1.Tenant) { t.FitOutputTokens = 0 },
		},
		"a share for the loss of the store": {
			change: func(s *v1alpha1.TenantBudgetSpec) {
				s.OnStoreLoss, s.StoreLossPercent = v1alpha1.StoreLossAllowBounded, ptr.To[int32](10)
			},
			want: func(t *limiterv1.Tenant) { t.StoreLossPercent = 10 },
		},
		"a share of the usual size": {
			change: func(s *v1alpha1.TenantBudgetSpec) { s.OnStoreLoss = v1alpha1.StoreLossAllowBounded },
			want:   func(t *limiterv1.Tenant) { t.StoreLossPercent = 1 },
		},
		"no share": {
			change: func(s *v1alpha1.TenantBudgetSpec) { s.OnStoreLoss = v1alpha1.StoreLossDeny },
			want:   func(*limiterv1.Tenant) {},
		},
		"models that no provider lists": {
			change: func(s *v1alpha1.TenantBudgetSpec) { s.UnknownModel = v1alpha1.UnknownModelPriceAsMostExpensive },
			want:   func(t *limiterv1.Tenant) { t.UnknownModel = limiterv1.PriceAsMostExpensive },
		},
		"none that no provider lists": {
			change: func(s *v1alpha1.TenantBudgetSpec) { s.UnknownModel = v1alpha1.UnknownModelDeny },
			want:   func(*limiterv1.Tenant) {},
		},
		"virtual models": {
			change: func(s *v1alpha1.TenantBudgetSpec) {
				s.VirtualModels = []v1alpha1.VirtualModel{
					{Name: "auto", Models: []v1alpha1.ModelName{"gpt-4o", "gpt-4o-mini"}}, {Name: "gpt-4o", Models: []v1alpha1.ModelName{"gpt-4o"}},
				}
			},
			want: func(t *limiterv1.Tenant) {
				t.VirtualModels = map[string][]string{"auto": {"gpt-4o", "gpt-4o-mini"}, "gpt-4o": {"gpt-4o"}}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			want, errs := compile.Tenant(budget(), nil, nil)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			tc.want(&want)
			b := budget()
			tc.change(&b.Spec)
			got, errs := compile.Tenant(b, nil, nil)
			if diff := cmp.Diff(want, got); diff != "" || len(errs) > 0 {
				t.Errorf("errors %v; document (-want +got):\n%s", errs, diff)
			}
		})
	}
}

func forced(state v1alpha1.BreakerState) func(*v1alpha1.TenantBudgetSpec) {
	return func(s *v1alpha1.TenantBudgetSpec) { s.Breaker = &v1alpha1.Breaker{Forced: state} }
}

// TestAncestors: descendants inherit what counts whole tenants, and nothing else.
func TestAncestors(t *testing.T) {
	company := budget()
	company.ObjectMeta, company.Spec.Tenant, company.Spec.TimeZone = meta("company", 7), "company", ""
	company.Spec.Breaker = &v1alpha1.Breaker{Forced: v1alpha1.BreakerClosed}
	company.Spec.Enforcement, company.Spec.AssumedOutputTokens = v1alpha1.EnforcementShadow, ptr.To[int64](9)
	company.Spec.OnStoreLoss, company.Spec.StoreLossPercent = v1alpha1.StoreLossAllowBounded, ptr.To[int32](7)
	company.Spec.VirtualModels = []v1alpha1.VirtualModel{{Name: "auto", Models: []v1alpha1.ModelName{"gpt-4o"}}}
	shared := v1alpha1.RateLimit{Name: "all", Per: v1alpha1.ScopeTenant, Requests: ptr.To[int64](9), Window: "1m"}
	group := budget()
	group.ObjectMeta, group.Spec.Tenant = meta("group", 2), "group"
	group.Spec.Limits, group.Spec.Ladder = group.Spec.Limits[2:], nil

	var ancestors []compile.Ancestor
	for _, a := range []struct {
		budget   *v1alpha1.TenantBudget
		policies []v1alpha1.RateLimitPolicy
	}{
		{company, []v1alpha1.RateLimitPolicy{
			policy("each", requests("r", 1)), policy("shared", requests("r", 1), shared), policy("broken", shared, requests("r", 0)),
		}},
		{group, nil},
	} {
		ancestor, errs := compile.NewAncestor(a.budget, a.policies, nil)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		ancestors = append(ancestors, ancestor)
	}
	policies := []v1alpha1.RateLimitPolicy{policy("own", requests("r", 1))}
	want, errs := compile.Tenant(budget(), policies, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	want.Sources = append(want.Sources,
		source("TenantBudget", "company", 7), source("RateLimitPolicy", "shared", 1), source("TenantBudget", "group", 2))
	want.Ancestors = []limiterv1.Level{
		{
			Tenant: "company", TimeZone: "UTC", Money: want.Money[:2],
			Rates: []limiterv1.RateLimit{
				{Name: "shared/all", Per: limiterv1.PerTenant, Unit: limiterv1.Requests, Count: 9, Burst: 9, Window: 60_000}},
			Ladder: want.Ladder, Forced: limiterv1.BreakerClosed, Enforcement: limiterv1.Shadow, StoreLossPercent: 7,
		},
		{
			Tenant: "group", TimeZone: want.TimeZone, Money: []limiterv1.MoneyLimit{},
			Rates: []limiterv1.RateLimit{}, Ladder: []limiterv1.Rung{},
		},
	}
	got, errs := compile.Tenant(budget(), policies, nil, ancestors...)
	if diff := cmp.Diff(want, got); diff != "" || len(errs) > 0 {
		t.Errorf("errors %v; document (-want +got):\n%s", errs, diff)
	}

	// What an ancestor has become is inherited alone.
	company.Generation, company.Spec.Breaker.Forced = 8, v1alpha1.BreakerOpen
	changed, errs := compile.NewAncestor(company, nil, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	want.Sources = []limiterv1.Source{want.Sources[0], want.Sources[1], source("TenantBudget", "company", 8), want.Sources[4]}
	want.Ancestors = slices.Clone(want.Ancestors)
	want.Ancestors[0].Rates, want.Ancestors[0].Forced = []limiterv1.RateLimit{}, limiterv1.BreakerOpen
	if diff := cmp.Diff(want, compile.Inherit(got, changed)); diff != "" {
		t.Errorf("document after a change of an ancestor (-want +got):\n%s", diff)
	}
	wantAncestors := []limiterv1.Source{source("TenantBudget", "company", 7), source("TenantBudget", "group", 2)}
	if diff := cmp.Diff(wantAncestors, compile.AncestorsOf(got)); diff != "" {
		t.Errorf("ancestors (-want +got):\n%s", diff)
	}

	company.Spec.TimeZone = "Mars/Olympus_Mons"
	if got, errs := compile.NewAncestor(company, nil, nil); len(errs) != 1 || errs[0].Field != "spec.timeZone" {
		t.Errorf("compiled an ancestor without a time zone to %+v, with errors %v", got, errs)
	}
}

// TestCurrency: amounts of limits and of grants to them count in US dollars, at the declared rate,
// rounded down; another rate makes another limit.
func TestCurrency(t *testing.T) {
	for rate, want := range map[string]struct{ limit, grant money.Nanos }{
		"1.085": {5_425_000_000, 1_627_500_000}, "1.08": {5_400_000_000, 1_620_000_000}, "0.333333333": {1_666_666_665, 499_999_999},
	} {
		b := budget()
		b.Spec.Currency = &v1alpha1.Currency{Code: "EUR", USDPerUnit: rate, AsOf: "2026-10-01"}
		b.Spec.Limits = []v1alpha1.MoneyLimit{{Name: "daily", Period: "Day", Amount: "5.00"}}
		got, errs := compile.Tenant(b, nil, []v1alpha1.BudgetGrant{budgetGrant("more", "daily")})
		if len(errs) > 0 || got.Money[0].Amount != want.limit || len(got.Money[0].Grants) != 1 || got.Money[0].Grants[0].Amount != want.grant {
			t.Errorf("at %s: %v, %+v, want %+v", rate, errs, got.Money, want)
		}
	}
}

func TestTenantErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		change   func(*v1alpha1.TenantBudgetSpec)
		wantErrs field.ErrorList
	}{
		"time zone that does not exist": {
			change:   func(s *v1alpha1.TenantBudgetSpec) { s.TimeZone = "Mars/Olympus_Mons" },
			wantErrs: field.ErrorList{invalid("spec.timeZone")},
		},
		"time zone of this machine": {
			change:   func(s *v1alpha1.TenantBudgetSpec) { s.TimeZone = "Local" },
			wantErrs: field.ErrorList{invalid("spec.timeZone")},
		},
		"time zone of a link on this machine": {
			change:   func(s *v1alpha1.TenantBudgetSpec) { s.TimeZone = "localtime" },
			wantErrs: field.ErrorList{invalid("spec.timeZone")},
		},
		"time zone of this machine's rules": {
			change:   func(s *v1alpha1.TenantBudgetSpec) { s.TimeZone = "posixrules" },
			wantErrs: field.ErrorList{invalid("spec.timeZone")},
		},
		"time zone of this machine with leap seconds": {
			change:   func(s *v1alpha1.TenantBudgetSpec) { s.TimeZone = "right/UTC" },
			wantErrs: field.ErrorList{invalid("spec.timeZone")},
		},
		"time zone by another path": {
			change:   func(s *v1alpha1.TenantBudgetSpec) { s.TimeZone = "America//New_York" },
			wantErrs: field.ErrorList{invalid("spec.timeZone")},
		},
		"amounts": {
			change: func(s *v1alpha1.TenantBudgetSpec) {
				s.Limits[0].Amount, s.Limits[2].Amount = "-1", "9000000.000000001"
			},
			wantErrs: field.ErrorList{invalid("spec.limits[0].amount"), invalid("spec.limits[2].amount")},
		},
		"amounts that are too much, and too little, at the rate of the currency": {
			change: func(s *v1alpha1.TenantBudgetSpec) {
				s.Currency = &v1alpha1.Currency{Code: "EUR", USDPerUnit: "1.1", AsOf: "2026-10-01"}
				s.Limits[0].Amount, s.Limits[2].Amount = "9000000", "5"
			},
			wantErrs: field.ErrorList{invalid("spec.limits[0].amount")},
		},
		"amounts that are worth less than a nano-dollar": {
			change: func(s *v1alpha1.TenantBudgetSpec) {
				s.Currency = &v1alpha1.Currency{Code: "JPY", USDPerUnit: "0.0066", AsOf: "2026-10-01"}
				s.Limits[0].Amount = "0.000000001"
			},
			wantErrs: field.ErrorList{invalid("spec.limits[0].amount")},
		},
		"date of the rate": {
			change: func(s *v1alpha1.TenantBudgetSpec) {
				s.Currency = &v1alpha1.Currency{Code: "EUR", USDPerUnit: "1", AsOf: "2026-02-30"}
			},
			wantErrs: field.ErrorList{invalid("spec.currency.asOf")},
		},
		"rate of the currency": {
			change: func(s *v1alpha1.TenantBudgetSpec) {
				s.Currency, s.Limits = &v1alpha1.Currency{Code: "EUR", USDPerUnit: "0", AsOf: "2026-10-01"}, s.Limits[:1]
			},
			wantErrs: field.ErrorList{invalid("spec.currency.usdPerUnit")},
		},
		"period": {
			change:   func(s *v1alpha1.TenantBudgetSpec) { s.Limits[1].Period = "Fortnight" },
			wantErrs: field.ErrorList{invalid("spec.limits[1].period")},
		},
		"window longer than a day": {
			change:   func(s *v1alpha1.TenantBudgetSpec) { s.Limits[2].Period = "25h" },
			wantErrs: field.ErrorList{invalid("spec.limits[2].period")},
		},
		"age of a fallback's answers": {
			change: func(s *v1alpha1.TenantBudgetSpec) {
				s.Ladder = []v1alpha1.Rung{{
					AtPercent: 90, Action: "Trip", Fallback: []v1alpha1.Fallback{"Cache"}, Cache: &v1alpha1.CacheFallback{MaxAge: "a while"},
				}}
			},
			wantErrs: field.ErrorList{invalid("spec.ladder[0].cache.maxAge")},
		},
		"window of a part of a second": {
			change:   func(s *v1alpha1.TenantBudgetSpec) { s.Limits[0].Period = "1500ms" },
			wantErrs: field.ErrorList{invalid("spec.limits[0].period")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := budget()
			tc.change(&b.Spec)
			got, errs := compile.Tenant(b, nil, nil)
			if diff := cmp.Diff(tc.wantErrs, errs, ignoreDetail); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(limiterv1.Tenant{}, got); diff != "" {
				t.Errorf("a document in spite of errors (-want +got):\n%s", diff)
			}
		})
	}
}
