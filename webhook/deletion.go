package webhook

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/change"
	"github.com/bursar-dev/bursar/controllers/rules/index"
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
		warnings = append(warnings, fmt.Sprintf("TenantBudgets that name this one as their parent keep the limits that they have, "+
			"and changes of them have no effect until it exists again: %s", acceptance.Some(named)))
	}
	var keys v1alpha1.APIKeyList
	err = b.reader.List(ctx, &keys, client.UnsafeDisableDeepCopy,
		client.InNamespace(budget.Namespace), client.MatchingFields{index.KeyBudget: budget.Name})
	if err == nil && len(keys.Items) > 0 {
		warnings = append(warnings, fmt.Sprintf("calls with the %d APIKeys that name this TenantBudget are refused", len(keys.Items)))
	}
	return append(warnings, b.made(ctx, budget)...)
}

// made is the warning of how many calls were made of the last days of the tenant, and of those
// below it.
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
	return []string{fmt.Sprintf("calls of its %d models are refused, and limits that name them count nothing", len(provider.Spec.Models))}
}

func (apiKeys) warnOfDeletion(context.Context, *v1alpha1.APIKey) []string { return nil }

func (budgetGrants) warnOfDeletion(context.Context, *v1alpha1.BudgetGrant) []string { return nil }

// warnOfDeletion says that the members lose access.
func (memberships) warnOfDeletion(_ context.Context, membership *v1alpha1.Membership) []string {
	return []string{fmt.Sprintf("its members lose access: %d", len(membership.Spec.Members))}
}

// warnOfDeletion says that the issuer's tokens are refused.
func (identityProviders) warnOfDeletion(context.Context, *v1alpha1.IdentityProvider) []string {
	return []string{"calls with tokens of its issuer are refused"}
}
