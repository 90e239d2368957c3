package ratelimitpolicy

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rollout/feed"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/index"
)

//+kubebuilder:rbac:groups=bursar.dev,resources=ratelimitpolicies,verbs=get;list;watch
//+kubebuilder:rbac:groups=bursar.dev,resources=tenantbudgets,verbs=list;watch
//+kubebuilder:rbac:groups="",resources=namespaces,verbs=list;watch
//+kubebuilder:rbac:groups=bursar.dev,resources=ratelimitpolicies/status,verbs=patch
//+kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create

// watch adds the watches of the controller.
func (c *Controller) watch(b *builder.Builder, news *feed.Feed) *builder.Builder {
	return b.
		For(&v1alpha1.RateLimitPolicy{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.TenantBudget{}, handler.EnqueueRequestsFromMapFunc(c.policiesOf),
			builder.WithPredicates(predicate.Funcs{UpdateFunc: concerns})).
		Watches(&v1alpha1.TenantBudget{}, rollout.EnqueueDelayed(c.selecting), builder.WithPredicates(
			predicate.Or(predicate.Funcs{UpdateFunc: concerns}, predicate.LabelChangedPredicate{}))).
		Watches(&v1alpha1.ModelProvider{}, rollout.EnqueueLowPriority(c.namingModels), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.APIKey{}, rollout.EnqueueDelayed(c.limiting), builder.WithPredicates(otherCaller)).
		WatchesMetadata(&corev1.Namespace{}, rollout.EnqueueDelayed(c.reaching), builder.WithPredicates(predicate.LabelChangedPredicate{})).
		WatchesRawSource(news.Source(feed.Audience{Objects: c.client, List: &v1alpha1.RateLimitPolicyList{}, Waiting: c.waiting}))
}

// concerns reports whether a budget changed in what its policies depend on: whether it is
// accepted or being deleted, and how far its document has got. What it has spent does not
// concern them.
func concerns(e event.UpdateEvent) bool {
	was, is := e.ObjectOld.(*v1alpha1.TenantBudget), e.ObjectNew.(*v1alpha1.TenantBudget)
	return was.DeletionTimestamp.IsZero() != is.DeletionTimestamp.IsZero() ||
		was.Status.Revision != is.Status.Revision ||
		!equality.Semantic.DeepEqual(was.Status.Enforcers, is.Status.Enforcers) ||
		conditions.IsProgrammed(was) != conditions.IsProgrammed(is) ||
		acceptance.TargetVerdict(was, nil) != acceptance.TargetVerdict(is, nil)
}

// policiesOf are the policies that name a budget.
func (c *Controller) policiesOf(ctx context.Context, budget client.Object) []reconcile.Request {
	var requests []reconcile.Request
	for _, policy := range c.naming(ctx, budget) {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(policy)})
	}
	return requests
}

// naming are the policies that name a budget. They are not copied from the cache: REQUIRES that
// the caller does not change them.
func (c *Controller) naming(ctx context.Context, budget client.Object) (naming []*v1alpha1.RateLimitPolicy) {
	var policies v1alpha1.RateLimitPolicyList
	err := c.client.List(ctx, &policies, client.UnsafeDisableDeepCopy,
		client.InNamespace(budget.GetNamespace()), client.MatchingFields{index.PolicyTarget: budget.GetName()})
	if err != nil {
		log.FromContext(ctx).Error(err, "Failed to find the RateLimitPolicies of a TenantBudget", "budget", client.ObjectKeyFromObject(budget))
	}
	for i := range policies.Items {
		naming = append(naming, &policies.Items[i])
	}
	return naming
}

// selecting are the policies that select a budget.
func (c *Controller) selecting(ctx context.Context, budget client.Object) []rollout.DelayedRequest {
	return gathered(c.selectingBudget(ctx, budget.(*v1alpha1.TenantBudget)))
}

func (c *Controller) selectingBudget(ctx context.Context, budget *v1alpha1.TenantBudget) []*v1alpha1.RateLimitPolicy {
	policies, err := acceptance.PoliciesSelecting(ctx, c.client, budget)
	if err != nil {
		log.FromContext(ctx).Error(err, "Failed to find the RateLimitPolicies that select a TenantBudget", "budget", client.ObjectKeyFromObject(budget))
	}
	return policies
}

// reaching are the policies whose targets in other namespaces may change with the labels of a
// namespace: its own policies, and those that select namespaces by labels.
func (c *Controller) reaching(ctx context.Context, namespace client.Object) []rollout.DelayedRequest {
	var reaching v1alpha1.RateLimitPolicyList
	err := c.client.List(ctx, &reaching, client.UnsafeDisableDeepCopy, client.MatchingFields{index.PolicySelects: index.Beyond})
	if err != nil {
		log.FromContext(ctx).Error(err, "Failed to find the RateLimitPolicies that select TenantBudgets of a namespace", "namespace", namespace.GetName())
	}
	var concerned []*v1alpha1.RateLimitPolicy
	for i := range reaching.Items {
		policy := &reaching.Items[i]
		if policy.Namespace == namespace.GetName() || policy.Spec.TargetSelector.Namespaces.From == v1alpha1.NamespacesSelector {
			concerned = append(concerned, policy)
		}
	}
	return gathered(concerned)
}

func gathered(policies []*v1alpha1.RateLimitPolicy) []rollout.DelayedRequest {
	var later []rollout.DelayedRequest
	for _, policy := range policies {
		request := reconcile.Request{NamespacedName: client.ObjectKeyFromObject(policy)}
		later = append(later, rollout.DelayedRequest{Request: request, Pause: gathering(policy)})
	}
	return later
}
