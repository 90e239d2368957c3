package webhook

import (
	"context"
	"errors"

	ctrl "sigs.k8s.io/controller-runtime"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// Counters are what has been spent.
type Counters interface {
	Read(ctx context.Context, root, tenant string, limits ...limiterv1.MoneyLimit) (limiterstore.Reading, error)
}

//+kubebuilder:webhookconfiguration:mutating=false,name=bursar

// Register makes the manager serve the webhooks, whether it leads or not.
func Register(mgr ctrl.Manager, counters Counters, ledger PastCalls) error {
	reader := mgr.GetClient()
	return errors.Join(
		register(mgr, &v1alpha1.TenantBudget{}, tenantBudgets{reader, counters, ledger}),
		register(mgr, &v1alpha1.RateLimitPolicy{}, rateLimitPolicies{reader}),
		register(mgr, &v1alpha1.ModelProvider{}, modelProviders{reader}),
		register(mgr, &v1alpha1.APIKey{}, apiKeys{reader}),
		register(mgr, &v1alpha1.BudgetGrant{}, budgetGrants{reader}),
	)
}
