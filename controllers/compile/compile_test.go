package compile_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
	_ "time/tzdata" // as in the manager

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/compile"
)

func meta(name string, generation int64) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "acme", Name: name, UID: types.UID("uid-" + name), Generation: generation}
}

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

func policy(name string, limits ...v1alpha1.RateLimit) v1alpha1.RateLimitPolicy {
	return v1alpha1.RateLimitPolicy{
		ObjectMeta: meta(name, 1),
		Spec:       v1alpha1.RateLimitPolicySpec{TargetRef: v1alpha1.TargetRef{Name: "acme"}, Limits: limits},
	}
}

func requests(name string, n int64) v1alpha1.RateLimit {
	return v1alpha1.RateLimit{Name: name, Per: v1alpha1.ScopeUser, Requests: &n, Window: "1m"}
}

func source(kind, name string, generation int64) limiterv1.Source {
	return limiterv1.Source{Kind: kind, Namespace: "acme", Name: name, UID: "uid-" + name, Generation: generation}
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
	}
	wantJSON, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		rand.Shuffle(len(policies), func(i, j int) { policies[i], policies[j] = policies[j], policies[i] })
		got, errs := compile.Tenant(budget(), policies)
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
	got, errs := compile.Tenant(b, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	raw, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"sources":[{"kind":"TenantBudget","namespace":"acme","name":"acme","uid":"uid-acme","generation":3}],` +
		`"tenant":"acme","timeZone":"UTC","money":[{"name":"monthly","per":"Tenant","period":"Month","amount":100000000000}],` +
		`"rates":[],"ladder":[]}`
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
		"assumed output": {
			change: func(s *v1alpha1.TenantBudgetSpec) { s.AssumedOutputTokens = ptr.To[int64](500) },
			want:   func(t *limiterv1.Tenant) { t.AssumedOutputTokens = 500 },
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
			want, errs := compile.Tenant(budget(), nil)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			tc.want(&want)
			b := budget()
			tc.change(&b.Spec)
			got, errs := compile.Tenant(b, nil)
			if diff := cmp.Diff(want, got); diff != "" || len(errs) > 0 {
				t.Errorf("errors %v; document (-want +got):\n%s", errs, diff)
			}
		})
	}
}

func forced(state v1alpha1.BreakerState) func(*v1alpha1.TenantBudgetSpec) {
	return func(s *v1alpha1.TenantBudgetSpec) { s.Breaker = &v1alpha1.Breaker{Forced: state} }
}

func TestPolicy(t *testing.T) {
	models := []v1alpha1.ModelName{"o1", "gpt-4o"}
	selected := limiterv1.Selector{Models: []string{"gpt-4o", "o1"}}
	p := policy("p",
		v1alpha1.RateLimit{Name: "in-flight", Per: v1alpha1.ScopeTenant, Concurrent: ptr.To[int64](3), Models: models},
		v1alpha1.RateLimit{Name: "each", Per: v1alpha1.ScopeUser, Tiers: []v1alpha1.Tier{"empleado"}, Concurrent: ptr.To[int64](1)},
		v1alpha1.RateLimit{Name: "tokens", Per: v1alpha1.ScopeTenant, Tokens: ptr.To[int64](10), Models: models, Window: "1s"},
	)
	want := []limiterv1.RateLimit{
		{Name: "p/in-flight", Per: limiterv1.PerTenant, Selector: selected, Unit: limiterv1.InFlight, Burst: 3},
		{Name: "p/each", Per: limiterv1.PerUser, Selector: limiterv1.Selector{Tiers: []string{"empleado"}}, Unit: limiterv1.InFlight, Burst: 1},
		{Name: "p/tokens", Per: limiterv1.PerTenant, Selector: selected, Unit: limiterv1.Tokens, Count: 10, Burst: 10, Window: 1000},
	}
	got, errs := compile.Policy(&p)
	if diff := cmp.Diff(want, got); diff != "" || len(errs) > 0 {
		t.Errorf("errors %v; limits (-want +got):\n%s", errs, diff)
	}
}

// TestAncestors: descendants inherit what counts whole tenants, and nothing else.
func TestAncestors(t *testing.T) {
	company := budget()
	company.ObjectMeta, company.Spec.Tenant, company.Spec.TimeZone = meta("company", 7), "company", ""
	company.Spec.Breaker = &v1alpha1.Breaker{Forced: v1alpha1.BreakerClosed}
	company.Spec.Enforcement, company.Spec.AssumedOutputTokens = v1alpha1.EnforcementShadow, ptr.To[int64](9)
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
		ancestor, errs := compile.NewAncestor(a.budget, a.policies)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		ancestors = append(ancestors, ancestor)
	}
	policies := []v1alpha1.RateLimitPolicy{policy("own", requests("r", 1))}
	want, errs := compile.Tenant(budget(), policies)
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
			Ladder: want.Ladder, Forced: limiterv1.BreakerClosed,
		},
		{
			Tenant: "group", TimeZone: want.TimeZone, Money: []limiterv1.MoneyLimit{},
			Rates: []limiterv1.RateLimit{}, Ladder: []limiterv1.Rung{},
		},
	}
	got, errs := compile.Tenant(budget(), policies, ancestors...)
	if diff := cmp.Diff(want, got); diff != "" || len(errs) > 0 {
		t.Errorf("errors %v; document (-want +got):\n%s", errs, diff)
	}

	// What an ancestor has become is inherited alone.
	company.Generation, company.Spec.Breaker.Forced = 8, v1alpha1.BreakerOpen
	changed, errs := compile.NewAncestor(company, nil)
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
	if got, errs := compile.NewAncestor(company, nil); len(errs) != 1 || errs[0].Field != "spec.timeZone" {
		t.Errorf("compiled an ancestor without a time zone to %+v, with errors %v", got, errs)
	}
}

// ignoreDetail compares errors by field and type.
var ignoreDetail = cmpopts.IgnoreFields(field.Error{}, "Detail", "BadValue", "Origin")

func invalid(path string) *field.Error {
	return &field.Error{Type: field.ErrorTypeInvalid, Field: path}
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
		"amounts": {
			change: func(s *v1alpha1.TenantBudgetSpec) {
				s.Limits[0].Amount, s.Limits[2].Amount = "-1", "9000000.000000001"
			},
			wantErrs: field.ErrorList{invalid("spec.limits[0].amount"), invalid("spec.limits[2].amount")},
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
			got, errs := compile.Tenant(b, nil)
			if diff := cmp.Diff(tc.wantErrs, errs, ignoreDetail); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(limiterv1.Tenant{}, got); diff != "" {
				t.Errorf("a document in spite of errors (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPolicyErrors(t *testing.T) {
	// The limiter counts units times milliseconds exactly up to 2^53.
	const day = 24 * 60 * 60 * 1000
	const most = (1 << 53) / day
	for name, tc := range map[string]struct {
		limit    v1alpha1.RateLimit
		wantErrs field.ErrorList
	}{
		"as much as can be counted": {
			limit: v1alpha1.RateLimit{Tokens: ptr.To[int64](most), Burst: ptr.To[int64](most), Window: "24h"},
		},
		"a burst of one more": {
			limit:    v1alpha1.RateLimit{Tokens: ptr.To[int64](most), Burst: ptr.To[int64](most + 1), Window: "24h"},
			wantErrs: field.ErrorList{invalid("spec.limits[0].burst")},
		},
		"one token more": {
			limit:    v1alpha1.RateLimit{Tokens: ptr.To[int64](most + 1), Window: "24h"},
			wantErrs: field.ErrorList{invalid("spec.limits[0].tokens")},
		},
		"so many requests that the product overflows": {
			limit:    v1alpha1.RateLimit{Requests: ptr.To[int64](1 << 62), Window: "24h"},
			wantErrs: field.ErrorList{invalid("spec.limits[0].requests")},
		},
		"nothing to count": {
			limit:    v1alpha1.RateLimit{Window: "1m"},
			wantErrs: field.ErrorList{invalid("spec.limits[0]")},
		},
		"two things to count": {
			limit:    v1alpha1.RateLimit{Requests: ptr.To[int64](1), Tokens: ptr.To[int64](1), Window: "1m"},
			wantErrs: field.ErrorList{invalid("spec.limits[0]")},
		},
		"three things to count": {
			limit: v1alpha1.RateLimit{
				Requests: ptr.To[int64](1), Tokens: ptr.To[int64](1), Concurrent: ptr.To[int64](1), Window: "1m",
			},
			wantErrs: field.ErrorList{invalid("spec.limits[0]")},
		},
		"calls in flight": {
			limit: v1alpha1.RateLimit{Concurrent: ptr.To[int64](1)},
		},
		"no calls in flight": {
			limit:    v1alpha1.RateLimit{Concurrent: ptr.To[int64](0)},
			wantErrs: field.ErrorList{invalid("spec.limits[0].concurrent")},
		},
		"calls in flight with a window and a burst": {
			limit:    v1alpha1.RateLimit{Concurrent: ptr.To[int64](1), Burst: ptr.To[int64](1), Window: "1m"},
			wantErrs: field.ErrorList{invalid("spec.limits[0].window"), invalid("spec.limits[0].burst")},
		},
		"window missing": {
			limit:    v1alpha1.RateLimit{Requests: ptr.To[int64](1)},
			wantErrs: field.ErrorList{invalid("spec.limits[0].window")},
		},
		"window in words": {
			limit:    v1alpha1.RateLimit{Requests: ptr.To[int64](1), Window: "minute"},
			wantErrs: field.ErrorList{invalid("spec.limits[0].window")},
		},
		"window of nothing": {
			limit:    v1alpha1.RateLimit{Requests: ptr.To[int64](1), Window: "0s"},
			wantErrs: field.ErrorList{invalid("spec.limits[0].window")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := policy("p", tc.limit)
			got, errs := compile.Policy(&p)
			if diff := cmp.Diff(tc.wantErrs, errs, ignoreDetail); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
			if wantNone := len(tc.wantErrs) > 0; wantNone != (got == nil) {
				t.Errorf("compiled to %v beside errors %v", got, errs)
			}
		})
	}
}

func provider() *v1alpha1.ModelProvider {
	return &v1alpha1.ModelProvider{
		ObjectMeta: metav1.ObjectMeta{Name: "openai", UID: "uid-openai", Generation: 2},
		Spec: v1alpha1.ModelProviderSpec{
			Endpoint:       "https://api.openai.com/v1",
			CredentialFile: "openai",
			Models: []v1alpha1.Model{
				{Name: "gpt-4o", MaxOutputTokens: 16384, Prices: v1alpha1.Prices{PriceList: v1alpha1.PriceList{
					Input: "2.50", CachedInput: "1.25", Output: "10.00"}}},
				{Name: "cheap", UpstreamName: "gpt-4o-mini", Tokenizer: "o200k_base", MaxOutputTokens: 100, Prices: v1alpha1.Prices{PriceList: v1alpha1.PriceList{Input: "0.15", Output: "0.60"}}},
			},
		},
	}
}

// flat is a book of one list.
func flat(list price.List) price.Book { return price.Book{price.Default: {Base: list}} }

func TestProvider(t *testing.T) {
	want := limiterv1.Provider{
		Sources:        []limiterv1.Source{{Kind: "ModelProvider", Name: "openai", UID: "uid-openai", Generation: 2}},
		Name:           "openai",
		Protocol:       limiterv1.OpenAI,
		Endpoint:       "https://api.openai.com/v1",
		CredentialFile: "openai",
		Models: []limiterv1.Model{
			{Name: "gpt-4o", UpstreamName: "gpt-4o", MaxOutputTokens: 16384, Prices: flat(price.List{
				price.Input: 2500 * money.USD / 1000, price.CachedInput: 1250 * money.USD / 1000, price.Output: 10 * money.USD})},
			{Name: "cheap", UpstreamName: "gpt-4o-mini", Tokenizer: limiterv1.O200kBase, MaxOutputTokens: 100, Prices: flat(price.List{
				price.Input: 15 * money.Cent, price.CachedInput: 15 * money.Cent, price.Output: 60 * money.Cent})},
		},
	}
	got, errs := compile.Provider(provider())
	if diff := cmp.Diff(want, got); diff != "" || len(errs) > 0 {
		t.Errorf("errors %v; document (-want +got):\n%s", errs, diff)
	}
}

func TestProviderPrices(t *testing.T) {
	p := provider()
	p.Spec.Protocol = "Gemini"
	later := metav1.NewTime(time.Date(2027, 3, 1, 0, 0, 0, 0, time.FixedZone("", -3*60*60)))
	sooner := metav1.NewTime(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
	p.Spec.Models = []v1alpha1.Model{
		{Name: "everything", ContextWindow: 1_000_000, MaxOutputTokens: 100, Prices: v1alpha1.Prices{
			PriceList: v1alpha1.PriceList{
				Input: "1", CachedInput: "0.1", CacheWrite5m: "1.25", CacheWrite1h: "2", AudioInput: "3", CachedAudioInput: "0.3",
				Output: "5", AudioOutput: "6", ImageOutput: "0",
			},
		}},
		{Name: "tiers", MaxOutputTokens: 100, Prices: v1alpha1.Prices{
			PriceList: v1alpha1.PriceList{Input: "1", AudioInput: "2", Output: "5"},
			LongContext: []v1alpha1.LongContextPrices{
				{AboveInputTokens: 300, PriceList: v1alpha1.PriceList{Input: "3", AudioInput: "6", Output: "15"}},
				{AboveInputTokens: 200, PriceList: v1alpha1.PriceList{Input: "2", AudioInput: "4", Output: "10"}},
			},
			ServiceTiers: []v1alpha1.ServiceTierPrices{{
				Name: "flex", PriceList: v1alpha1.PriceList{Input: "0.5", Output: "2.5"},
				LongContext: []v1alpha1.LongContextPrices{{AboveInputTokens: 200, PriceList: v1alpha1.PriceList{Input: "1", Output: "5"}}},
			}},
		}},
		{Name: "embedding", Prices: v1alpha1.Prices{PriceList: v1alpha1.PriceList{Input: "3"}}, PriceChanges: []v1alpha1.PriceChange{
			{EffectiveFrom: later, Prices: v1alpha1.Prices{PriceList: v1alpha1.PriceList{Input: "1"}}},
			{EffectiveFrom: sooner, Prices: v1alpha1.Prices{PriceList: v1alpha1.PriceList{Input: "2"}}},
		}},
	}
	const usd = money.USD
	text := func(input, output price.PerMillion) price.List {
		return price.List{price.Input: input, price.CachedInput: input, price.Output: output}
	}
	sound := func(input, audio, output price.PerMillion) price.List {
		list := text(input, output)
		list[price.AudioInput], list[price.CachedAudioInput] = audio, audio
		return list
	}
	embedding := func(input price.PerMillion) price.Book {
		return flat(price.List{price.Input: input, price.CachedInput: input})
	}
	want := []limiterv1.Model{
		{Name: "everything", UpstreamName: "everything", ContextWindow: 1_000_000, MaxOutputTokens: 100, Prices: flat(price.List{
			price.Input: usd, price.CachedInput: usd / 10, price.CacheWrite5m: usd * 5 / 4, price.CacheWrite1h: 2 * usd,
			price.AudioInput: 3 * usd, price.CachedAudioInput: usd * 3 / 10,
			price.Output: 5 * usd, price.AudioOutput: 6 * usd, price.ImageOutput: 0,
		})},
		{Name: "tiers", UpstreamName: "tiers", MaxOutputTokens: 100, Prices: price.Book{
			price.Default: {Base: sound(usd, 2*usd, 5*usd), LongContext: []price.LongContext{
				{AboveInputTokens: 200, List: sound(2*usd, 4*usd, 10*usd)},
				{AboveInputTokens: 300, List: sound(3*usd, 6*usd, 15*usd)},
			}},
			"flex": {Base: text(usd/2, usd*5/2), LongContext: []price.LongContext{{AboveInputTokens: 200, List: text(usd, 5*usd)}}},
		}},
		{Name: "embedding", UpstreamName: "embedding", Prices: embedding(3 * usd), PriceChanges: []limiterv1.PriceChange{
			{EffectiveFrom: sooner.Time, Prices: embedding(2 * usd)},
			{EffectiveFrom: later.UTC(), Prices: embedding(usd)},
		}},
	}
	got, errs := compile.Provider(p)
	if diff := cmp.Diff(want, got.Models); diff != "" || len(errs) > 0 || got.Protocol != limiterv1.Gemini {
		t.Errorf("protocol %s, errors %v; models (-want +got):\n%s", got.Protocol, errs, diff)
	}
	for _, model := range got.Models {
		if err := model.Prices.Validate(); err != nil {
			t.Errorf("an enforcer refuses %s: %v", model.Name, err)
		}
	}
}

// TestCatalogue compiles the providers that Bursar brings along.
func TestCatalogue(t *testing.T) {
	files, err := filepath.Glob("../../config/providers/[^k]*.yaml")
	if err != nil || len(files) != 3 {
		t.Fatalf("files %q, %v; want three", files, err)
	}
	holder := map[string]string{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var p v1alpha1.ModelProvider
		if err := yaml.UnmarshalStrict(raw, &p); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		document, errs := compile.Provider(&p)
		if len(errs) > 0 {
			t.Errorf("%s: %v", file, errs)
		}
		for _, model := range document.Models {
			if other, taken := holder[model.Name]; taken {
				t.Errorf("model %s is in %s and in %s", model.Name, other, file)
			}
			holder[model.Name] = file
			if model.MaxOutputTokens > 0 && model.ContextWindow == 0 {
				t.Errorf("model %s of %s has no context window", model.Name, file)
			}
		}
	}
}

// TestCatalogueNamesTokenizers: the catalogue names the tokenizer of a model where
// OpenAI's tiktoken does, as it stands, and of no other model.
func TestCatalogueNamesTokenizers(t *testing.T) {
	want := map[string]limiterv1.Tokenizer{
		"gpt-5": limiterv1.O200kBase, "gpt-5-mini": limiterv1.O200kBase, "gpt-5-nano": limiterv1.O200kBase,
		"gpt-4.1": limiterv1.O200kBase, "gpt-4.1-mini": limiterv1.O200kBase, "gpt-4.1-nano": limiterv1.O200kBase,
		"gpt-4o": limiterv1.O200kBase, "gpt-4o-mini": limiterv1.O200kBase,
		"o3": limiterv1.O200kBase, "o4-mini": limiterv1.O200kBase,
		"text-embedding-3-small": limiterv1.CL100kBase, "text-embedding-3-large": limiterv1.CL100kBase,
	}
	files, err := filepath.Glob("../../config/providers/[^k]*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]limiterv1.Tokenizer{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var p v1alpha1.ModelProvider
		if err := yaml.UnmarshalStrict(raw, &p); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		document, _ := compile.Provider(&p)
		for _, model := range document.Models {
			if model.Tokenizer != "" {
				got[model.Name] = model.Tokenizer
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tokenizers (-want +got):\n%s", diff)
	}
}

func TestProviderErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		change   func(*v1alpha1.ModelProviderSpec)
		wantErrs field.ErrorList
	}{
		"prices": {
			change: func(s *v1alpha1.ModelProviderSpec) {
				s.Models[0].Prices.Input, s.Models[1].Prices.Output = "a lot", "0.0000000001"
			},
			wantErrs: field.ErrorList{invalid("spec.models[0].prices.input"), invalid("spec.models[1].prices.output")},
		},
		"cached input dearer by a nano-dollar": {
			change: func(s *v1alpha1.ModelProviderSpec) {
				s.Models[0].Prices.CachedInput = "2.500000001"
			},
			wantErrs: field.ErrorList{invalid("spec.models[0].prices.cachedInput")},
		},
		"cached sound dearer than sound": {
			change: func(s *v1alpha1.ModelProviderSpec) {
				s.Models[0].Prices.AudioInput, s.Models[0].Prices.CachedAudioInput = "1", "1.000000001"
			},
			wantErrs: field.ErrorList{invalid("spec.models[0].prices.cachedAudioInput")},
		},
		"cached sound without sound": {
			change:   func(s *v1alpha1.ModelProviderSpec) { s.Models[0].Prices.CachedAudioInput = "0" },
			wantErrs: field.ErrorList{invalid("spec.models[0].prices.cachedAudioInput")},
		},
		"five minutes dearer than an hour": {
			change: func(s *v1alpha1.ModelProviderSpec) {
				s.Models[0].Prices.CacheWrite5m, s.Models[0].Prices.CacheWrite1h = "2", "1"
			},
			wantErrs: field.ErrorList{invalid("spec.models[0].prices.cacheWrite5m")},
		},
		"output without a bound": {
			change:   func(s *v1alpha1.ModelProviderSpec) { s.Models[1].MaxOutputTokens = 0 },
			wantErrs: field.ErrorList{invalid("spec.models[1].maxOutputTokens")},
		},
		"output without a price from a moment on": {
			change: func(s *v1alpha1.ModelProviderSpec) {
				s.Models[1].PriceChanges = []v1alpha1.PriceChange{{Prices: v1alpha1.Prices{PriceList: v1alpha1.PriceList{Input: "1"}}}}
			},
			wantErrs: field.ErrorList{invalid("spec.models[1].maxOutputTokens")},
		},
		"long input priced by other kinds": {
			change: func(s *v1alpha1.ModelProviderSpec) {
				s.Models[0].Prices.LongContext = []v1alpha1.LongContextPrices{{AboveInputTokens: 5, PriceList: v1alpha1.PriceList{Input: "1", AudioInput: "1"}}}
			},
			wantErrs: field.ErrorList{
				{Type: field.ErrorTypeForbidden, Field: "spec.models[0].prices.longContext[0].audioInput"},
				{Type: field.ErrorTypeForbidden, Field: "spec.models[0].prices.longContext[0].cachedAudioInput"},
				{Type: field.ErrorTypeRequired, Field: "spec.models[0].prices.longContext[0].output"},
			},
		},
		"a price in a service tier": {
			change: func(s *v1alpha1.ModelProviderSpec) {
				s.Models[0].Prices.ServiceTiers = []v1alpha1.ServiceTierPrices{{Name: "flex", PriceList: v1alpha1.PriceList{Input: "-1", Output: "1"}}}
			},
			wantErrs: field.ErrorList{invalid("spec.models[0].prices.serviceTiers[0].input")},
		},
		"two changes at the same moment, in two zones": {
			change: func(s *v1alpha1.ModelProviderSpec) {
				at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
				for _, zone := range []*time.Location{time.UTC, time.FixedZone("", 3600)} {
					s.Models[0].PriceChanges = append(s.Models[0].PriceChanges, v1alpha1.PriceChange{
						EffectiveFrom: metav1.NewTime(at.In(zone)), Prices: s.Models[0].Prices,
					})
				}
			},
			wantErrs: field.ErrorList{{Type: field.ErrorTypeDuplicate, Field: "spec.models[0].priceChanges[1].effectiveFrom"}},
		},
		"endpoint": {
			change:   func(s *v1alpha1.ModelProviderSpec) { s.Endpoint = "nowhere" },
			wantErrs: field.ErrorList{invalid("spec.endpoint")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := provider()
			tc.change(&p.Spec)
			got, errs := compile.Provider(p)
			if diff := cmp.Diff(tc.wantErrs, errs, ignoreDetail); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(limiterv1.Provider{}, got); diff != "" {
				t.Errorf("a document in spite of errors (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCredential(t *testing.T) {
	expiry := time.Date(2027, 1, 2, 3, 4, 5, 0, time.FixedZone("", -3*60*60))
	key := &v1alpha1.APIKey{
		ObjectMeta: meta("gerente-1", 5),
		Spec: v1alpha1.APIKeySpec{
			SHA256: "abc", BudgetRef: v1alpha1.BudgetRef{Name: "acme"}, User: "gerente-1", Tier: "gerente",
			ExpiresAt: ptr.To(metav1.NewTime(expiry)),
		},
	}
	want := limiterv1.Credential{
		Sources: []limiterv1.Source{source("APIKey", "gerente-1", 5)},
		SHA256:  "abc", Name: "acme/gerente-1", Tenant: "acme-inc", User: "gerente-1", Tier: "gerente",
		ExpiresAt: ptr.To(time.Date(2027, 1, 2, 6, 4, 5, 0, time.UTC)),
	}
	if diff := cmp.Diff(want, compile.Credential(key, "acme-inc")); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
}
