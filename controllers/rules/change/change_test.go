package change_test

import (
	"slices"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/change"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

var euros = &v1alpha1.Currency{Code: "EUR", USDPerUnit: "1.25", AsOf: "2026-10-01"}

// TestWarnings: by what both say alone, a budget limits less than before.
func TestWarnings(t *testing.T) {
	for name, tc := range map[string]struct {
		before, after func(*v1alpha1.TenantBudgetSpec)
		want          []string
	}{
		"nothing":        {},
		"a small raise":  {after: func(s *v1alpha1.TenantBudgetSpec) { s.Limits[1].Amount = "399.99" }},
		"a steep raise":  {after: func(s *v1alpha1.TenantBudgetSpec) { s.Limits[1].Amount = "400.00" }, want: []string{"spec.limits[1].amount: limit monthly is raised from 100.00 to 400.00 USD, 4 times as much"}},
		"another period": {after: func(s *v1alpha1.TenantBudgetSpec) { s.Limits[1].Period = "Week" }, want: []string{"spec.limits: limit monthly is removed, 100.00 USD per Month: no other limit counts the same calls per Month"}},
		"a steep raise in a currency": {
			before: func(s *v1alpha1.TenantBudgetSpec) { s.Currency = euros },
			after:  func(s *v1alpha1.TenantBudgetSpec) { s.Currency, s.Limits[1].Amount = euros, "500.00" },
			want:   []string{"spec.limits[1].amount: limit monthly is raised from 100.00 to 500.00 EUR, 5 times as much"},
		},
		"the same number of a currency that is worth more": {
			before: func(s *v1alpha1.TenantBudgetSpec) {
				s.Currency = &v1alpha1.Currency{Code: "JPY", USDPerUnit: "0.01", AsOf: "2026-10-01"}
				s.Limits = s.Limits[1:2]
			},
			after: func(s *v1alpha1.TenantBudgetSpec) { s.Limits = s.Limits[1:2] },
			want:  []string{"spec.limits[0].amount: limit monthly is raised from 100.00 JPY (1.00 USD) to 100.00 USD, 100 times as much"},
		},
		"a limit that is removed, in a currency": {
			before: func(s *v1alpha1.TenantBudgetSpec) { s.Currency = euros },
			after:  func(s *v1alpha1.TenantBudgetSpec) { s.Currency, s.Limits = euros, s.Limits[:1] },
			want: []string{
				"spec.limits: limit monthly is removed, 100.00 EUR per Month: no other limit counts the same calls per Month",
				"spec.limits: limit each-user is removed, 0.50 EUR per Day: no other limit counts the same calls per Day",
			},
		},
		"no rungs":     {after: func(s *v1alpha1.TenantBudgetSpec) { s.Ladder = []v1alpha1.Rung{} }, want: []string{"spec.ladder: is empty now: calls are refused only when a limit is spent in full, with no warning before; leave it out for Warn at 80 % and Trip at 90 %"}},
		"no Trip rung": {after: func(s *v1alpha1.TenantBudgetSpec) { s.Ladder = s.Ladder[:1] }, want: []string{"spec.ladder: no longer has a Trip rung: calls are refused only when a limit is spent in full"}},
		"into Shadow":  {after: func(s *v1alpha1.TenantBudgetSpec) { s.Enforcement = v1alpha1.EnforcementShadow }, want: []string{"spec.enforcement: Shadow: this budget counts the spending of tenant acme, but does not limit it"}},
	} {
		t.Run(name, func(t *testing.T) {
			was, is := objects.TenantBudget("acme"), objects.TenantBudget("acme")
			if tc.before != nil {
				tc.before(&was.Spec)
			}
			if tc.after != nil {
				tc.after(&is.Spec)
			}
			if got := change.Warnings(was, is); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestStops: what is spent already is told in the currency in which the limit is written.
func TestStops(t *testing.T) {
	was, is := objects.TenantBudget("acme"), objects.TenantBudget("acme")
	is.Spec.Currency, is.Spec.Limits[0].Amount = euros, "1.60"
	before, errs := compile.Tenant(was, nil, nil)
	after, moreErrs := compile.Tenant(is, nil, nil)
	if len(errs)+len(moreErrs) > 0 {
		t.Fatal(errs, moreErrs)
	}
	spent := func(limit limiterv1.MoneyLimit, _ period.Span) money.Nanos {
		if limit.Name == "daily" {
			return 250 * money.Cent
		}
		return 0
	}
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	got := change.Stops(before.Level, after.Level, now, spent, euros)
	want := []string{"spec.limits[0].amount: limit daily is set to 1.60 EUR and 2.00 are already spent: calls are refused until 2026-11-25T00:00:00Z"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !change.Tightens(before.Level, after.Level) || change.Tightens(before.Level, before.Level) {
		t.Error("what is tighter is not told apart")
	}
}
