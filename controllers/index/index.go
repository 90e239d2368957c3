package index

import (
	"cmp"
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
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
	// GrantBudget finds BudgetGrants by the name of the budget that gets more.
	GrantBudget = "spec.budgetRef.name"
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
		{&v1alpha1.BudgetGrant{}, GrantBudget, func(o client.Object) []string {
			return []string{o.(*v1alpha1.BudgetGrant).Spec.BudgetRef.Name}
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

// Below are the budgets of which the one with the key is the parent, those of which
// they are, and so on.
func Below(ctx context.Context, reader client.Reader, key types.NamespacedName) ([]v1alpha1.TenantBudget, error) {
	var below []v1alpha1.TenantBudget
	seen := []types.NamespacedName{key}
	for i := 0; i < len(seen); i++ {
		var children v1alpha1.TenantBudgetList
		if err := reader.List(ctx, &children, client.MatchingFields{BudgetParent: seen[i].String()}); err != nil {
			return nil, err
		}
		for _, child := range children.Items {
			// Where parents lead back, so would this.
			if key := client.ObjectKeyFromObject(&child); !slices.Contains(seen, key) {
				seen, below = append(seen, key), append(below, child)
			}
		}
	}
	return below, nil
}

// DocumentsBelow are the documents of the budgets below the one with the key.
func DocumentsBelow(ctx context.Context, reader client.Reader, key types.NamespacedName) ([]limiterv1.DocumentID, error) {
	below, err := Below(ctx, reader, key)
	var ids []limiterv1.DocumentID
	for _, budget := range below {
		ids = append(ids, limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: budget.Spec.Tenant})
	}
	return ids, err
}
