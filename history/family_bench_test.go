package history_test

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/history"
)

// BenchmarkFamily finds the family of a tenant that has 10,000 below it, as each preview and replay does.
func BenchmarkFamily(b *testing.B) {
	const many = 10_000
	budgets := []v1alpha1.TenantBudget{}
	for n := range many {
		budget := v1alpha1.TenantBudget{
			ObjectMeta: metav1.ObjectMeta{Namespace: "units", Name: fmt.Sprint("unit-", n)},
			Spec:       v1alpha1.TenantBudgetSpec{Tenant: fmt.Sprint("unit-", n), ParentRef: &v1alpha1.ParentRef{Name: "whole"}},
		}
		budgets = append(budgets, budget)
	}
	whole := v1alpha1.TenantBudget{ObjectMeta: metav1.ObjectMeta{Namespace: "units", Name: "whole"}, Spec: v1alpha1.TenantBudgetSpec{Tenant: "whole"}}
	budgets = append(budgets, whole)
	for b.Loop() {
		if family := history.Family(limiterv1.Tenant{Level: limiterv1.Level{Tenant: "whole"}}, budgets); len(family) != many+1 {
			b.Fatalf("%d tenants, want %d", len(family), many+1)
		}
	}
}
