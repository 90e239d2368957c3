package webhook

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/change"
	"github.com/bursar-dev/bursar/controllers/rules/index"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// warnOfDeletion says what else ends with a budget: its children's rollout, its keys, and what
// limited the calls of the last days.
func (b tenantBudgets) warnOfDeletion(ctx context.Context, budget *v1alpha1.TenantBudget) (warnings []string) {
	children, err := acceptance.ChildrenOf(ctx, b.reader, budget)
	if err == nil && len(children) > 0 {
		var named []*v1alpha1.TenantBudget
		for i := range children {
			named = append(named, &children[i])
		}
		until := "it exists again"
		if successor, ok := budget.HandedOverTo(); ok {
			until = "their spec.parentRef names " + successor.String()
		}
		warnings = append(warnings, fmt.Sprintf("TenantBudgets that name this one as their parent keep the limits that they have, "+
			"and changes of them have no effect until %s: %s", until, acceptance.Some(named)))
	}
	warnings = append(warnings, b.lockedOut(ctx, budget)...)
	return append(warnings, b.made(ctx, budget)...)
}

// lockedOut are the warnings about the keys and members whose calls are refused without a budget.
func (b tenantBudgets) lockedOut(ctx context.Context, budget *v1alpha1.TenantBudget) (warnings []string) {
	for _, naming := range []struct {
		list client.ObjectList
		by   string
		says string
	}{
		{&v1alpha1.APIKeyList{}, index.KeyBudget, "calls with the APIKeys that name this TenantBudget are refused: "},
		{&v1alpha1.MembershipList{}, index.MembershipBudget, "calls of the members in Memberships that name this TenantBudget are refused: "},
	} {
		err := b.reader.List(ctx, naming.list, client.UnsafeDisableDeepCopy,
			client.InNamespace(budget.Namespace), client.MatchingFields{naming.by: budget.Name})
		if names := namesOf(naming.list); err == nil && len(names) > 0 {
			warnings = append(warnings, naming.says+verdict.Some(names, mostNamed))
		}
	}
	return warnings
}

// mostNamed is the most names that a warning lists.
const mostNamed = 5

// namesOf are the names of the objects of a list.
func namesOf(list client.ObjectList) (names []string) {
	_ = meta.EachListItem(list, func(object runtime.Object) error {
		names = append(names, object.(client.Object).GetName())
		return nil
	})
	slices.Sort(names)
	return names
}

// made is the warning that says how many calls of the last days the budget's limits counted: those
// of the tenant, and of the tenants below it.
func (b tenantBudgets) made(ctx context.Context, budget *v1alpha1.TenantBudget) []string {
	decided, err := acceptance.DecideTenantBudget(ctx, b.reader, budget)
	if err != nil || decided.Document == nil || !replays.TryLock() {
		return nil
	}
	defer replays.Unlock()
	result, err := replayOf(ctx, b.reader, b.ledger, *decided.Document, time.Now())
	if err != nil || result.Admitted.Calls == 0 {
		return nil
	}
	return []string{fmt.Sprintf("its limits counted %d calls of the last %d days, for %s USD", result.Admitted.Calls, change.LookBack, result.Admitted.Cost)}
}

// warnOfDeletion names the budgets that lose a policy's limits.
func (p rateLimitPolicies) warnOfDeletion(ctx context.Context, policy *v1alpha1.RateLimitPolicy) []string {
	decided, err := acceptance.DecideRateLimitPolicy(ctx, p.reader, policy)
	if err != nil || len(decided.Targets) == 0 {
		return nil
	}
	return []string{"these TenantBudgets lose these limits: " + acceptance.Some(decided.Targets)}
}

// warnOfDeletion says that a provider's models are refused.
func (modelProviders) warnOfDeletion(_ context.Context, provider *v1alpha1.ModelProvider) []string {
	var models []string
	for _, model := range provider.Spec.Models {
		models = append(models, model.Name)
	}
	return []string{"calls of its models are refused, and limits that name these count nothing: " + verdict.Some(models, mostNamed)}
}

func (apiKeys) warnOfDeletion(context.Context, *v1alpha1.APIKey) []string { return nil }

func (budgetGrants) warnOfDeletion(context.Context, *v1alpha1.BudgetGrant) []string { return nil }

// warnOfDeletion says that the members lose access.
func (memberships) warnOfDeletion(_ context.Context, membership *v1alpha1.Membership) []string {
	return []string{fmt.Sprintf("calls of its %s are refused, unless another Membership names them", verdict.Count(len(membership.Spec.Members), "member"))}
}

// warnOfDeletion says that the issuer's tokens are refused.
func (identityProviders) warnOfDeletion(context.Context, *v1alpha1.IdentityProvider) []string {
	return []string{"calls with tokens of its issuer are refused"}
}
