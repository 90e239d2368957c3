package tenantbudget

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// TestInCurrency: the status has a limit's figures in the currency of the spec, but only if the generation
// with that currency is in force.
func TestInCurrency(t *testing.T) {
	euros := &v1alpha1.Currency{Code: "EUR", USDPerUnit: "1.085", AsOf: "2026-10-01"}
	yen := &v1alpha1.Currency{Code: "JPY", USDPerUnit: "0.006666666", AsOf: "2026-10-01"}
	for name, tc := range map[string]struct {
		currency         *v1alpha1.Currency
		amount           v1alpha1.Amount
		inForce, granted money.Nanos
		generation       int64
		want             *v1alpha1.FiguresInCurrency
	}{
		"none":                                  {nil, "5.00", 5 * money.USD, 0, 2, nil},
		"another state is in force":             {euros, "5.00", 5 * money.USD, 0, 1, nil},
		"one":                                   {euros, "5.00", 5_425_000_000, 0, 2, &v1alpha1.FiguresInCurrency{Code: "EUR", Amount: "5.00", Spent: "0.921658987", Held: "0.000000001"}},
		"with a grant":                          {euros, "5.00", 10_850_000_000, 5_425_000_000, 2, &v1alpha1.FiguresInCurrency{Code: "EUR", Amount: "10.00", Spent: "0.921658987", Held: "0.000000001"}},
		"of units that are worth less, exactly": {yen, "1000.5", 6_669_999_333, 0, 2, &v1alpha1.FiguresInCurrency{Code: "JPY", Amount: "1000.50", Spent: "150.000015001", Held: "0.000000151"}},
	} {
		t.Run(name, func(t *testing.T) {
			budget := &v1alpha1.TenantBudget{}
			budget.Generation = 2
			budget.Spec.Currency = tc.currency
			budget.Spec.Limits = []v1alpha1.MoneyLimit{{Name: "other", Amount: "1"}, {Name: "daily", Amount: tc.amount}}
			s := &scope{inForce: &limiterv1.Tenant{Sources: []limiterv1.Source{{Generation: tc.generation}}}}
			s.Object = budget
			got := s.inCurrency(limitUsage{MoneyLimit: daily(tc.inForce), granted: tc.granted, spent: money.USD, held: 1})
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
