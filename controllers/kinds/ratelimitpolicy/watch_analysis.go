package ratelimitpolicy

import (
	"context"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rules/analysis"
)

//+kubebuilder:rbac:groups=bursar.dev,resources=modelproviders;apikeys,verbs=list;watch

// namingModels are the policies whose warnings may change with a ModelProvider: those that name
// models or count tokens, and those that have a warning.
func (c *Controller) namingModels(ctx context.Context, _ client.Object) []reconcile.Request {
	var policies v1alpha1.RateLimitPolicyList
	if err := c.client.List(ctx, &policies, client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "Failed to find the RateLimitPolicies that name models")
	}
	var requests []reconcile.Request
	for i := range policies.Items {
		policy := &policies.Items[i]
		if slices.ContainsFunc(policy.Spec.Limits, dependsOnModels) || analysis.Warns(policy) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(policy)})
		}
	}
	return requests
}

func dependsOnModels(limit v1alpha1.RateLimit) bool {
	return len(limit.Models) > 0 || limit.Tokens != nil
}

func namesCallers(limit v1alpha1.RateLimit) bool {
	return len(limit.Tiers) > 0 || len(limit.Groups) > 0
}

// limiting are the policies that limit the users of a key's budget by their tiers or groups.
func (c *Controller) limiting(ctx context.Context, object client.Object) []rollout.DelayedRequest {
	key := object.(*v1alpha1.APIKey)
	budget := &v1alpha1.TenantBudget{}
	if err := c.client.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: key.Spec.BudgetRef.Name}, budget); err != nil {
		return nil // there is nothing yet that could be limited
	}
	policies := slices.Concat(c.naming(ctx, budget), c.selectingBudget(ctx, budget))
	return gathered(slices.DeleteFunc(policies, func(p *v1alpha1.RateLimitPolicy) bool {
		return !slices.ContainsFunc(p.Spec.Limits, namesCallers)
	}))
}

// otherCaller passes keys that are new or deleted, and changes of a key's tier, budget or groups.
var otherCaller = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	was, is := e.ObjectOld.(*v1alpha1.APIKey), e.ObjectNew.(*v1alpha1.APIKey)
	return was.Spec.Tier != is.Spec.Tier || was.Spec.BudgetRef != is.Spec.BudgetRef || !slices.Equal(was.Spec.Groups, is.Spec.Groups)
}}
