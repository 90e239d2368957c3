package index

import (
	"cmp"
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// The indexed fields.
const (
	// BudgetTenant finds TenantBudgets by the tenant they name.
	BudgetTenant = "spec.tenant"
	// BudgetParent finds TenantBudgets by the "namespace/name" of their parent.
	BudgetParent = "spec.parentRef"
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
		{&v1alpha1.TenantBudget{}, BudgetParent, func(o client.Object) []string {
			if budget := o.(*v1alpha1.TenantBudget); budget.Spec.ParentRef != nil {
				return []string{ParentOf(budget).String()}
			}
			return nil
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

// KeyOf is the "namespace/name" of an object.
func KeyOf(object client.Object) string { return client.ObjectKeyFromObject(object).String() }

// ParentOf names the parent of a budget. REQUIRES: it has one.
func ParentOf(budget *v1alpha1.TenantBudget) types.NamespacedName {
	ref := budget.Spec.ParentRef
	return types.NamespacedName{Namespace: cmp.Or(ref.Namespace, budget.Namespace), Name: ref.Name}
}
