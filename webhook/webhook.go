package webhook

import (
	"context"
	"errors"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/analysis"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/history"
)

// Counters are what has been spent.
type Counters interface {
	Read(ctx context.Context, root, tenant string, limits ...limiterv1.MoneyLimit) (limiterstore.Reading, error)
}

// Changes records who asked for changes.
type Changes interface {
	Asked(ctx context.Context, request budgetstore.ChangeRequest) error
}

//+kubebuilder:webhookconfiguration:mutating=false,name=bursar
//+kubebuilder:webhookconfiguration:mutating=true,name=bursar

// Register makes the manager serve the webhooks, whether it leads or not.
func Register(mgr ctrl.Manager, counters Counters, ledger history.PastCalls, changes Changes) error {
	registerFinalizer(mgr)
	reader := mgr.GetClient()
	analyzer := analysis.NewAnalyzer(reader, time.Now)
	return errors.Join(
		register(mgr, &v1alpha1.TenantBudget{}, tenantBudgets{reader, analyzer, counters, ledger}, changes),
		register(mgr, &v1alpha1.RateLimitPolicy{}, rateLimitPolicies{reader, analyzer}, changes),
		register(mgr, &v1alpha1.ModelProvider{}, modelProviders{reader, analyzer}, nil),
		register(mgr, &v1alpha1.APIKey{}, apiKeys{reader, analyzer}, nil),
		register(mgr, &v1alpha1.BudgetGrant{}, budgetGrants{reader, analyzer}, changes),
		register(mgr, &v1alpha1.IdentityProvider{}, identityProviders{reader}, nil),
		register(mgr, &v1alpha1.Membership{}, memberships{reader, analyzer}, nil),
	)
}
