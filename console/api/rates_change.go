package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/console/cluster"
)

// WrittenRates is a RateLimitPolicy as it is written.
type WrittenRates struct {
	Policy   string        `json:"policy" doc:"The RateLimitPolicy, in the namespace of the budget."`
	Version  string        `json:"version" doc:"Which state of its spec this is, for If-Match of a change."`
	Managers []Manager     `json:"managers" nullable:"false" doc:"Who manages fields of the spec, by the names that clients give themselves."`
	Managed  Managed       `json:"managed" doc:"Who else manages something of limits."`
	Ready    Condition     `json:"ready" doc:"Whether it is enforced as written."`
	Limits   []WrittenRate `json:"limits" nullable:"false"`
}

// WrittenRate is a rate limit as it is written.
type WrittenRate struct {
	Name string `json:"name" maxLength:"63"`
	Per  string `json:"per" enum:"Tenant,User,Group,Key"`
	Selection
	Requests   *int64 `json:"requests,omitempty" minimum:"1" doc:"How many calls per window. One of requests, tokens and concurrent is there."`
	Tokens     *int64 `json:"tokens,omitempty" minimum:"1" doc:"How many tokens, input and output, per window."`
	Concurrent *int64 `json:"concurrent,omitempty" minimum:"1" doc:"How many calls at once."`
	Burst      *int64 `json:"burst,omitempty" minimum:"1" doc:"How many may be taken at once after a pause. Absent: as many as per window."`
	Window     string `json:"window,omitempty" maxLength:"32" example:"1m" doc:"The time in which an empty bucket refills. Not with concurrent."`
}

// PolicyInput names a RateLimitPolicy of a tenant.
type PolicyInput struct {
	BudgetInput
	Policy string `path:"policy" maxLength:"253" pattern:"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$" patternDescription:"a name of lower-case letters, digits, hyphens and dots" doc:"The RateLimitPolicy, in the namespace of the budget, which it names."`
}

// RatesSpec is what the console may change of a RateLimitPolicy.
type RatesSpec struct {
	Limits []WrittenRate `json:"limits" nullable:"false" minItems:"1" maxItems:"32" doc:"All limits of the policy."`
}

// RatesChangeInput is a change of a RateLimitPolicy.
type RatesChangeInput struct {
	PolicyInput
	SeenParameter
	Body RatesSpec
}

// ChangedRates is a RateLimitPolicy after a change.
type ChangedRates struct {
	WrittenRates
	Warnings []string `json:"warnings" nullable:"false" doc:"What the API server and Bursar's webhooks warn of."`
}

func (r *ChangedRates) version() string { return r.Version }

func (a *api) registerRates(routes huma.API) {
	handle(a, routes, changing(http.MethodPatch, "changeRates", "/budgets/{tenant}/rates/{policy}", "Budgets", "Change rate limits",
		"Changes the limits of a RateLimitPolicy that names the tenant's budget. An admin of the tenant may add and lower limits per Tenant, not raise or remove them, and change the others."),
		func(ctx context.Context, who auth.Who, in *RatesChangeInput) (*ChangedRates, error) {
			seen, err := in.seen()
			if err != nil {
				return nil, err
			}
			policy, warnings, err := a.changeRates(ctx, a.by(who), who, in.PolicyInput, seen, in.Body)
			if err != nil {
				return nil, err
			}
			written, err := ratesAsWritten(policy)
			if err != nil {
				return nil, err
			}
			return &ChangedRates{written, append([]string{}, warnings...)}, nil
		})
}

// changeRates changes a policy of a tenant that the caller administers.
func (a *api) changeRates(
	ctx context.Context, by cluster.Writer, who auth.Who, in PolicyInput, seen string, to RatesSpec,
) (*v1alpha1.RateLimitPolicy, []string, error) {
	budget, err := a.administered(ctx, who, in.Tenant)
	if err != nil {
		return nil, nil, err
	}
	policy := &v1alpha1.RateLimitPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: budget.Namespace, Name: in.Policy}}
	warnings, err := by.Change(ctx, policy, seen, func() error {
		if ref := policy.Spec.TargetRef; ref == nil || ref.Name != budget.Name {
			return cluster.ErrNone // another tenant's policy must not be told from a missing one
		}
		before := policy.Spec.Limits
		policy.Spec.Limits = nil
		if err := convert(to.Limits, &policy.Spec.Limits); err != nil {
			return err
		}
		if who.IsPlatformAdmin {
			return nil
		}
		return reservedOfRates(before, policy.Spec.Limits)
	})
	return policy, warnings, err
}

// administered is the budget of a tenant that the caller administers; if none is named, of the one
// that pays for the caller.
func (a *api) administered(ctx context.Context, who auth.Who, tenant string) (*v1alpha1.TenantBudget, error) {
	v, err := a.view(ctx, who, tenant, auth.Admin)
	if err != nil {
		return nil, err
	}
	return a.Cluster.Budget(ctx, v.tenant)
}

// ratesOf are the policies that name a budget.
func (a *api) ratesOf(ctx context.Context, budget *v1alpha1.TenantBudget) ([]WrittenRates, error) {
	policies, err := a.Cluster.PoliciesNaming(ctx, budget)
	if err != nil {
		return nil, err
	}
	rates := make([]WrittenRates, len(policies))
	for i := range policies {
		if rates[i], err = ratesAsWritten(&policies[i]); err != nil {
			return nil, err
		}
	}
	return rates, nil
}

func ratesAsWritten(policy *v1alpha1.RateLimitPolicy) (WrittenRates, error) {
	written := WrittenRates{
		Policy: policy.Name, Version: cluster.VersionOf(policy), Managers: managersOf(policy), Managed: managedOf(policy, "limits"),
		Ready: conditionOf(policy.Status.Conditions, v1alpha1.ConditionReady), Limits: []WrittenRate{},
	}
	err := convert(policy.Spec.Limits, &written.Limits)
	return written, err
}
