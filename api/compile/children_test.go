package compile_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bursar-dev/bursar/api/compile"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

func TestOvercommitted(t *testing.T) {
	of := func(limits ...v1alpha1.MoneyLimit) v1alpha1.TenantBudget {
		return v1alpha1.TenantBudget{Spec: v1alpha1.TenantBudgetSpec{Limits: limits}}
	}
	limit := func(name, period string, amount v1alpha1.Amount) v1alpha1.MoneyLimit {
		return v1alpha1.MoneyLimit{Name: name, Period: period, Amount: amount}
	}
	perUser := limit("each", "Day", "100.00")
	perUser.Per = v1alpha1.ScopeUser
	dear := limit("dear", "Day", "1.00")
	dear.Models = []v1alpha1.ModelName{"b", "a"}
	alsoDear := limit("same", "Day", "0.60")
	alsoDear.Models = []v1alpha1.ModelName{"a", "b"}
	parent := of(limit("daily", "Day", "5.00"), limit("monthly", "Month", "100.00"), perUser, dear)

	for name, tc := range map[string]struct {
		children []v1alpha1.TenantBudget
		want     []compile.Overcommitment
		words    string
	}{
		"no children": {},
		"exactly as much": {
			children: []v1alpha1.TenantBudget{of(limit("d", "Day", "2.00")), of(limit("x", "Day", "3.00"))},
		},
		"a nano-dollar more, by whatever name": {
			children: []v1alpha1.TenantBudget{of(limit("d", "Day", "2.000000001")), of(limit("x", "Day", "3.00")), of(limit("m", "Month", "1.00"))},
			want:     []compile.Overcommitment{{Limit: "daily", Amount: 5 * money.USD, Promised: 5*money.USD + 1, Children: 2}},
			words:    "limit daily has 5.00 USD, but the limits of its 2 children add up to 5.000000001 USD",
		},
		"of users and of other periods, which is another matter": {
			children: []v1alpha1.TenantBudget{of(perUser, limit("weekly", "Week", "1000.00")), of(perUser)},
		},
		"of the same models in another order": {
			children: []v1alpha1.TenantBudget{of(alsoDear), of(alsoDear)},
			want:     []compile.Overcommitment{{Limit: "dear", Amount: money.USD, Promised: 120 * money.Cent, Children: 2}},
			words:    "limit dear has 1.00 USD, but the limits of its 2 children add up to 1.20 USD",
		},
		"what cannot be read, which promises nothing": {
			children: []v1alpha1.TenantBudget{of(limit("d", "Day", "lots")), of(limit("d", "Fortnight", "9.00"))},
		},
		"two limits at once": {
			children: []v1alpha1.TenantBudget{of(limit("m", "Month", "101.00"), limit("d", "Day", "6.00"))},
			want: []compile.Overcommitment{
				{Limit: "daily", Amount: 5 * money.USD, Promised: 6 * money.USD, Children: 1},
				{Limit: "monthly", Amount: 100 * money.USD, Promised: 101 * money.USD, Children: 1},
			},
			words: "limit daily has 5.00 USD, but the limit of its one child is 6.00 USD; " +
				"limit monthly has 100.00 USD, but the limit of its one child is 101.00 USD",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := compile.Overcommitted(&parent, tc.children)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("overcommitted (-want +got):\n%s", diff)
			}
			if words := compile.Promises(got); words != tc.words {
				t.Errorf("in words: got %q, want %q", words, tc.words)
			}
		})
	}
}
