package compile_test

import (
	"testing"
	_ "time/tzdata" // as in the manager

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

func policy(name string, limits ...v1alpha1.RateLimit) v1alpha1.RateLimitPolicy {
	return v1alpha1.RateLimitPolicy{
		ObjectMeta: meta(name, 1),
		Spec:       v1alpha1.RateLimitPolicySpec{TargetRef: &v1alpha1.TargetRef{Name: "acme"}, Limits: limits},
	}
}

func requests(name string, n int64) v1alpha1.RateLimit {
	return v1alpha1.RateLimit{Name: name, Per: v1alpha1.ScopeUser, Requests: &n, Window: "1m"}
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
	got, errs := compile.Policy(&p, p.Namespace)
	if diff := cmp.Diff(want, got); diff != "" || len(errs) > 0 {
		t.Errorf("errors %v; limits (-want +got):\n%s", errs, diff)
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
			got, errs := compile.Policy(&p, p.Namespace)
			if diff := cmp.Diff(tc.wantErrs, errs, ignoreDetail); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
			if wantNone := len(tc.wantErrs) > 0; wantNone != (got == nil) {
				t.Errorf("compiled to %v beside errors %v", got, errs)
			}
		})
	}
}

// TestLimitedTiers: a policy that refuses users whose tier it does not limit.
func TestLimitedTiers(t *testing.T) {
	requests := func(tiers ...v1alpha1.Tier) v1alpha1.RateLimit {
		return v1alpha1.RateLimit{Per: v1alpha1.ScopeUser, Requests: ptr.To[int64](5), Window: "1m", Tiers: tiers}
	}
	inFlight := v1alpha1.RateLimit{Per: v1alpha1.ScopeUser, Concurrent: ptr.To[int64](5)}
	for name, tc := range map[string]struct {
		namespace     string
		answer        v1alpha1.UnlimitedTiers
		limits        []v1alpha1.RateLimit
		shadow        bool
		wantRefusedBy map[string]string
	}{
		"of nobody":               {"acme", v1alpha1.UnlimitedTiersAllow, []v1alpha1.RateLimit{requests("senior")}, false, map[string]string{"sernior": ""}},
		"of others":               {"acme", v1alpha1.UnlimitedTiersDeny, []v1alpha1.RateLimit{requests("senior"), inFlight}, false, map[string]string{"senior": "", "sernior": "policy"}},
		"of none, as all have it": {"acme", v1alpha1.UnlimitedTiersDeny, []v1alpha1.RateLimit{requests("senior"), requests()}, false, map[string]string{"sernior": ""}},
		"in shadow":               {"acme", v1alpha1.UnlimitedTiersDeny, []v1alpha1.RateLimit{requests("senior")}, true, map[string]string{"sernior": ""}},
		"imposed on one in shadow": {"platform", v1alpha1.UnlimitedTiersDeny, []v1alpha1.RateLimit{requests("senior")}, true,
			map[string]string{"senior": "", "sernior": "platform/policy"}},
	} {
		t.Run(name, func(t *testing.T) {
			budget := &v1alpha1.TenantBudget{ObjectMeta: metav1.ObjectMeta{Namespace: "acme"}}
			if tc.shadow {
				budget.Spec.Enforcement = v1alpha1.EnforcementShadow
			}
			policy := v1alpha1.RateLimitPolicy{
				ObjectMeta: metav1.ObjectMeta{Namespace: tc.namespace, Name: "policy"},
				Spec:       v1alpha1.RateLimitPolicySpec{UnlimitedTiers: tc.answer, Limits: tc.limits},
			}
			document, errs := compile.Tenant(budget, []v1alpha1.RateLimitPolicy{policy}, nil)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			for tier, want := range tc.wantRefusedBy {
				if got := document.RefusesTier(tier); got != want {
					t.Errorf("tier %s is refused by %q, want %q", tier, got, want)
				}
			}
		})
	}
}
