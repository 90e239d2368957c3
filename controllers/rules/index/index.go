package index

import (
	"cmp"
	"context"
	"hash/crc32"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
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
	// BudgetSuccessor finds TenantBudgets by the "namespace/name" of their successor.
	BudgetSuccessor = "spec.successorRef"
	// BudgetAbove finds TenantBudgets by each tenant above them, as they were last accepted.
	BudgetAbove = "status.path"
	// BudgetSample finds the TenantBudgets that are InSample: about one in SampleOf, by a hash of their
	// names. It tells about how many budgets there are without reading all.
	BudgetSample = "metadata.name"
	// PolicyTarget finds RateLimitPolicies by the name of their target.
	PolicyTarget = "spec.targetRef.name"
	// PolicySelects finds RateLimitPolicies with a selector by the namespace of their targets, or by
	// Beyond.
	PolicySelects = "spec.targetSelector.namespaces"
	// GrantBudget finds BudgetGrants by the name of the budget that gets more.
	GrantBudget = "spec.budgetRef.name"
	// KeyBudget finds APIKeys by the name of the budget that pays.
	KeyBudget = "spec.budgetRef.name"
	// KeyHash finds APIKeys by the hashes of their keys.
	KeyHash = "spec.sha256"
	// KeyUser finds APIKeys by their user in lower case.
	KeyUser = "spec.user"
	// IssuerName finds IdentityProviders by what the claim iss may be, or by ClusterIssuer.
	IssuerName = "spec.issuer"
	// MembershipBudget finds Memberships by the name of the budget that pays.
	MembershipBudget = "spec.budgetRef.name"
	// MembershipProvider finds Memberships by the name of their IdentityProvider.
	MembershipProvider = "spec.identityProviderRef.name"
)

// Beyond stands for the namespace of targets that may be in other namespaces than the policy's own. No
// namespace has this name.
const Beyond = "*"

// InSample is what BudgetSample finds, and SampleOf how many TenantBudgets there are for each one in the
// sample.
const (
	InSample = "sample"
	SampleOf = 128
)

// ClusterIssuer stands for the issuer's name if the issuer is the cluster. It has blanks, so that no
// claim iss is the same.
const ClusterIssuer = "the cluster"

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
				return []string{budget.ParentKey().String()}
			}
			return nil
		}},
		{&v1alpha1.TenantBudget{}, BudgetSuccessor, func(o client.Object) []string {
			budget := o.(*v1alpha1.TenantBudget)
			if ref := budget.Spec.SuccessorRef; ref != nil {
				return []string{types.NamespacedName{Namespace: cmp.Or(ref.Namespace, budget.Namespace), Name: ref.Name}.String()}
			}
			return nil
		}},
		{&v1alpha1.TenantBudget{}, BudgetAbove, func(o client.Object) []string {
			path := strings.Split(o.(*v1alpha1.TenantBudget).Status.Path, "/")
			return path[:len(path)-1]
		}},
		{&v1alpha1.TenantBudget{}, BudgetSample, func(o client.Object) []string {
			if crc32.ChecksumIEEE([]byte(o.GetName()))%SampleOf == 0 {
				return []string{InSample}
			}
			return nil
		}},
		{&v1alpha1.RateLimitPolicy{}, PolicyTarget, func(o client.Object) []string {
			if ref := o.(*v1alpha1.RateLimitPolicy).Spec.TargetRef; ref != nil {
				return []string{ref.Name}
			}
			return nil
		}},
		{&v1alpha1.RateLimitPolicy{}, PolicySelects, func(o client.Object) []string {
			return selects(o.(*v1alpha1.RateLimitPolicy))
		}},
		{&v1alpha1.BudgetGrant{}, GrantBudget, func(o client.Object) []string {
			return []string{o.(*v1alpha1.BudgetGrant).Spec.BudgetRef.Name}
		}},
		{&v1alpha1.APIKey{}, KeyBudget, func(o client.Object) []string {
			return []string{o.(*v1alpha1.APIKey).Spec.BudgetRef.Name}
		}},
		{&v1alpha1.APIKey{}, KeyHash, func(o client.Object) []string {
			return o.(*v1alpha1.APIKey).Hashes()
		}},
		{&v1alpha1.APIKey{}, KeyUser, func(o client.Object) []string {
			return []string{strings.ToLower(o.(*v1alpha1.APIKey).Spec.User)}
		}},
		{&v1alpha1.IdentityProvider{}, IssuerName, func(o client.Object) []string {
			return IssuerNames(o.(*v1alpha1.IdentityProvider))
		}},
		{&v1alpha1.Membership{}, MembershipBudget, func(o client.Object) []string {
			return []string{o.(*v1alpha1.Membership).Spec.BudgetRef.Name}
		}},
		{&v1alpha1.Membership{}, MembershipProvider, func(o client.Object) []string {
			return []string{o.(*v1alpha1.Membership).Spec.IdentityProviderRef.Name}
		}},
	} {
		if err := indexer.IndexField(ctx, index.object, index.field, index.values); err != nil {
			return err
		}
	}
	return nil
}

// IssuerNames are the names under which IssuerName finds an IdentityProvider. The name of the cluster's
// issuer is known once the status has it.
func IssuerNames(provider *v1alpha1.IdentityProvider) []string {
	issuer := provider.Spec.Issuer
	if !issuer.Cluster {
		return append([]string{issuer.URL}, issuer.Aliases...)
	}
	if provider.Status.Issuer == "" {
		return []string{ClusterIssuer}
	}
	return []string{ClusterIssuer, provider.Status.Issuer}
}

// selects is where the targets are that a policy selects; nowhere if it names its target.
func selects(policy *v1alpha1.RateLimitPolicy) []string {
	switch selector := policy.Spec.TargetSelector; {
	case selector == nil:
		return nil
	case selector.ReachesBeyond():
		return []string{Beyond}
	}
	return []string{policy.Namespace}
}

// KeyOf is the "namespace/name" of an object.
func KeyOf(object client.Object) string { return client.ObjectKeyFromObject(object).String() }

// Children are the budgets that name the one with the key as their parent, or a budget that was handed
// over to it.
func Children(
	ctx context.Context, reader client.Reader, key types.NamespacedName, options ...client.ListOption,
) ([]v1alpha1.TenantBudget, error) {
	parents, err := withPredecessors(ctx, reader, key)
	if err != nil {
		return nil, err
	}
	var children []v1alpha1.TenantBudget
	for _, parent := range parents {
		var list v1alpha1.TenantBudgetList
		if err := reader.List(ctx, &list, append(slices.Clone(options), client.MatchingFields{BudgetParent: parent.String()})...); err != nil {
			return nil, err
		}
		children = append(children, list.Items...)
	}
	return children, nil
}

// withPredecessors are the key of a budget, and those of the budgets that were handed over to it,
// directly or through others.
func withPredecessors(ctx context.Context, reader client.Reader, key types.NamespacedName) ([]types.NamespacedName, error) {
	keys := []types.NamespacedName{key}
	for i := 0; i < len(keys); i++ {
		var before v1alpha1.TenantBudgetList
		err := reader.List(ctx, &before, client.UnsafeDisableDeepCopy, client.MatchingFields{BudgetSuccessor: keys[i].String()})
		if err != nil {
			return nil, err
		}
		for j := range before.Items {
			predecessor := client.ObjectKeyFromObject(&before.Items[j])
			if successor, ok := before.Items[j].HandedOverTo(); ok && successor == keys[i] && !slices.Contains(keys, predecessor) {
				keys = append(keys, predecessor)
			}
		}
	}
	return keys, nil
}

// Below are the descendants of the budgets with the keys: children, their children, and so on. It
// also has the budgets that were below these tenants when they were last accepted, because the
// limits that they inherited then are in force, whatever they name as their parent by now. Each
// is there once, and none has one of the keys.
func Below(ctx context.Context, reader client.Reader, keys ...types.NamespacedName) ([]v1alpha1.TenantBudget, error) {
	var below []v1alpha1.TenantBudget
	at := slices.Clone(keys)
	seen := sets.New(keys...)
	add := func(budgets []v1alpha1.TenantBudget) {
		for _, budget := range budgets {
			// Parents may form a cycle, which this must not follow for ever.
			if key := client.ObjectKeyFromObject(&budget); !seen.Has(key) {
				seen.Insert(key)
				at, below = append(at, key), append(below, budget)
			}
		}
	}
	for i := 0; i < len(at); i++ {
		children, err := Children(ctx, reader, at[i])
		if err != nil {
			return nil, err
		}
		add(children)
	}
	for _, key := range keys {
		left, err := acceptedBelow(ctx, reader, key)
		if err != nil {
			return nil, err
		}
		add(left)
	}
	return below, nil
}

// acceptedBelow are the budgets that were below the tenant of the one with the key when they were
// last accepted.
func acceptedBelow(ctx context.Context, reader client.Reader, key types.NamespacedName) ([]v1alpha1.TenantBudget, error) {
	var budget v1alpha1.TenantBudget
	if err := reader.Get(ctx, key, &budget); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	var below v1alpha1.TenantBudgetList
	err := reader.List(ctx, &below, client.MatchingFields{BudgetAbove: budget.Spec.Tenant})
	return below.Items, err
}

// DocumentsBelow are the documents of the budgets below those with the keys.
func DocumentsBelow(ctx context.Context, reader client.Reader, keys ...types.NamespacedName) ([]limiterv1.DocumentID, error) {
	below, err := Below(ctx, reader, keys...)
	var ids []limiterv1.DocumentID
	for _, budget := range below {
		ids = append(ids, limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: budget.Spec.Tenant})
	}
	return ids, err
}
