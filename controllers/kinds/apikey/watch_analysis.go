package apikey

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
)

//+kubebuilder:rbac:groups=bursar.dev,resources=ratelimitpolicies,verbs=list;watch

// limitsTiers passes changes of policies that select users by their tiers, or did so before.
var limitsTiers = predicate.And(predicate.GenerationChangedPredicate{}, predicate.Funcs{
	CreateFunc: func(e event.CreateEvent) bool { return namesTiers(e.Object) },
	UpdateFunc: func(e event.UpdateEvent) bool { return namesTiers(e.ObjectOld) || namesTiers(e.ObjectNew) },
	DeleteFunc: func(e event.DeleteEvent) bool { return namesTiers(e.Object) },
})

func namesTiers(policy client.Object) bool {
	return slices.ContainsFunc(policy.(*v1alpha1.RateLimitPolicy).Spec.Limits, func(l v1alpha1.RateLimit) bool { return len(l.Tiers) > 0 })
}

// limitedBy are the keys of a policy's targets whose condition Warning changes with the policy.
func (c *Controller) limitedBy(ctx context.Context, object client.Object) []reconcile.Request {
	targets, err := c.targetsOf(ctx, object.(*v1alpha1.RateLimitPolicy))
	if err != nil {
		log.FromContext(ctx).Error(err, "Failed to find the TenantBudgets of a RateLimitPolicy", "policy", client.ObjectKeyFromObject(object))
	}
	var requests []reconcile.Request
	for _, budget := range targets {
		keys, err := c.analyzer.OutdatedKeys(ctx, budget)
		if err != nil {
			log.FromContext(ctx).Error(err, "Failed to find the APIKeys of a TenantBudget", "budget", budget)
		}
		for _, key := range keys {
			requests = append(requests, reconcile.Request{NamespacedName: key})
		}
	}
	return requests
}

// targetsOf are the budgets that a policy names or selects.
func (c *Controller) targetsOf(ctx context.Context, policy *v1alpha1.RateLimitPolicy) ([]types.NamespacedName, error) {
	if ref := policy.Spec.TargetRef; ref != nil {
		return []types.NamespacedName{{Namespace: policy.Namespace, Name: ref.Name}}, nil
	}
	if policy.Spec.TargetSelector == nil {
		return nil, nil
	}
	selected, err := acceptance.Selected(ctx, c.client, policy)
	var keys []types.NamespacedName
	for _, budget := range selected {
		keys = append(keys, client.ObjectKeyFromObject(budget))
	}
	return keys, err
}
