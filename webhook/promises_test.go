package webhook_test

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// TestPromises writes children that may spend more together than their parent has,
// and the parent.
func TestPromises(t *testing.T) {
	childOf := func(parent *v1alpha1.TenantBudget, daily v1alpha1.Amount) *v1alpha1.TenantBudget {
		return budgetOf(newNamespace(t), func(b *v1alpha1.TenantBudget) {
			b.Spec.ParentRef = &v1alpha1.ParentRef{Name: parent.Name, Namespace: parent.Namespace}
			b.Spec.Limits = []v1alpha1.MoneyLimit{{Name: "of-the-day", Period: "Day", Amount: daily}}
		})
	}
	company := objects.TenantBudget(newNamespace(t))
	one := childOf(company, "2.00")
	for _, budget := range []*v1alpha1.TenantBudget{company, one} {
		create(t, budget)
		awaitSeen(t, budget)
	}
	says := "spec.parentRef: in TenantBudget " + company.Namespace + "/budget, limit daily has 5.00 USD, but the limits of its 2 children add up to "
	other := childOf(company, "3.01")
	expectAnswer(t, api.Create(t.Context(), childOf(company, "3.00"), client.DryRunAll), "")
	expectAnswer(t, api.Create(t.Context(), other), "", says+"5.01 USD")
	awaitSeen(t, other)

	change := func(budget *v1alpha1.TenantBudget, to v1alpha1.Amount) error {
		changed := budget.DeepCopy()
		changed.Spec.Limits[0].Amount = to
		return api.Patch(t.Context(), changed, client.MergeFrom(budget), client.DryRunAll)
	}
	for _, tc := range []struct {
		name         string
		budget       *v1alpha1.TenantBudget
		to           v1alpha1.Amount
		wantWarnings []string
	}{
		{name: "a child that is raised", budget: one, to: "2.50", wantWarnings: []string{says + "5.51 USD"}},
		{name: "a child that is lowered, to what is still too much", budget: other, to: "3.005"},
		{name: "a parent that is raised, to what is still too little", budget: company, to: "5.005"},
		{
			name: "a parent that is lowered", budget: company, to: "4.00",
			wantWarnings: []string{"spec.limits[0].amount: limit daily has 4.00 USD, but the limits of its 2 children add up to 5.01 USD"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			expectAnswer(t, change(tc.budget, tc.to), "", tc.wantWarnings...)
		})
	}
}
