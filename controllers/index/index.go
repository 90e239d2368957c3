package index

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// The indexed fields.
const (
	// BudgetTenant finds TenantBudgets by the tenant they name.
	BudgetTenant = "spec.tenant"
	// PolicyTarget finds RateLimitPolicies by the name of their target.
	PolicyTarget = "spec.targetRef.name"
	// KeyBudget finds APIKeys by the name of the budget that pays.
	KeyBudget = "spec.budgetRef.name"
	// KeyHash finds APIKeys by the hash of the key.
	KeyHash = "spec.sha256"
)

// Register makes the cache keep the indexes.
func Register(ctx context.Context, indexer client.FieldIndexer) error {
	for _, index := range []struct {
		object client.Object
		field  string
		values client.IndexerFunc
	}{
		{&v1alpha1.TenantBudget{}, BudgetTenant, func(o client.Object) []string {
			return []string{o.(*v1alpha1.TenantBudget).Spec.Tenant}
		}},
		{&v1alpha1.RateLimitPolicy{}, PolicyTarget, func(o client.Object) []string {
			return []string{o.(*v1alpha1.RateLimitPolicy).Spec.TargetRef.Name}
		}},
		{&v1alpha1.APIKey{}, KeyBudget, func(o client.Object) []string {
			return []string{o.(*v1alpha1.APIKey).Spec.BudgetRef.Name}
		}},
		{&v1alpha1.APIKey{}, KeyHash, func(o client.Object) []string {
			return []string{o.(*v1alpha1.APIKey).Spec.SHA256}
		}},
	} {
		if err := indexer.IndexField(ctx, index.object, index.field, index.values); err != nil {
			return err
		}
	}
	return nil
}
