package membership

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rollout/feed"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/index"
)

//+kubebuilder:rbac:groups=bursar.dev,resources=memberships,verbs=get;list;watch;patch
//+kubebuilder:rbac:groups=bursar.dev,resources=memberships/status,verbs=patch
//+kubebuilder:rbac:groups=bursar.dev,resources=tenantbudgets;identityproviders,verbs=list;watch
//+kubebuilder:rbac:groups="",resources=namespaces,verbs=list;watch
//+kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create

// watch adds the watches of the controller.
func (c *Controller) watch(b *builder.Builder, news *feed.Feed) *builder.Builder {
	return b.
		For(&v1alpha1.Membership{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.TenantBudget{}, handler.EnqueueRequestsFromMapFunc(c.ofBudget),
			builder.WithPredicates(predicate.Funcs{UpdateFunc: budgetConcerns})).
		Watches(&v1alpha1.IdentityProvider{}, rollout.EnqueueLowPriority(c.ofProvider),
			builder.WithPredicates(predicate.Funcs{UpdateFunc: providerConcerns})).
		WatchesMetadata(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(c.inNamespace),
			builder.WithPredicates(predicate.LabelChangedPredicate{})).
		WatchesRawSource(news.Source(feed.Audience{Objects: c.client, List: &v1alpha1.MembershipList{}, Waiting: c.waiting}))
}

// budgetConcerns reports whether a budget changed in what its Memberships depend on: whether it
// is accepted, and whether it is being deleted.
func budgetConcerns(e event.UpdateEvent) bool {
	was, is := e.ObjectOld.(*v1alpha1.TenantBudget), e.ObjectNew.(*v1alpha1.TenantBudget)
	return was.DeletionTimestamp.IsZero() != is.DeletionTimestamp.IsZero() ||
		acceptance.TargetVerdict(was, nil) != acceptance.TargetVerdict(is, nil)
}

// providerConcerns reports whether an IdentityProvider changed in what its Memberships
// depend on: its spec, whether it is accepted, and whether it is being deleted.
func providerConcerns(e event.UpdateEvent) bool {
	was, is := e.ObjectOld.(*v1alpha1.IdentityProvider), e.ObjectNew.(*v1alpha1.IdentityProvider)
	return was.Generation != is.Generation || was.DeletionTimestamp.IsZero() != is.DeletionTimestamp.IsZero() ||
		reasonOf(was) != reasonOf(is)
}

// reasonOf is the status and the reason of the condition Accepted of an IdentityProvider.
func reasonOf(provider *v1alpha1.IdentityProvider) string {
	if accepted := meta.FindStatusCondition(provider.Status.Conditions, v1alpha1.ConditionAccepted); accepted != nil {
		return string(accepted.Status) + accepted.Reason
	}
	return ""
}

// ofBudget are the Memberships that name a budget.
func (c *Controller) ofBudget(ctx context.Context, budget client.Object) []reconcile.Request {
	return c.find(ctx, client.InNamespace(budget.GetNamespace()), client.MatchingFields{index.MembershipBudget: budget.GetName()})
}

// ofProvider are the Memberships that name an IdentityProvider.
func (c *Controller) ofProvider(ctx context.Context, provider client.Object) []reconcile.Request {
	return c.find(ctx, client.MatchingFields{index.MembershipProvider: provider.GetName()})
}

func (c *Controller) inNamespace(ctx context.Context, namespace client.Object) []reconcile.Request {
	return c.find(ctx, client.InNamespace(namespace.GetName()))
}

func (c *Controller) find(ctx context.Context, which ...client.ListOption) []reconcile.Request {
	var memberships v1alpha1.MembershipList
	if err := c.client.List(ctx, &memberships, append(which, client.UnsafeDisableDeepCopy)...); err != nil {
		log.FromContext(ctx).Error(err, "Failed to find the Memberships to reconcile")
	}
	var requests []reconcile.Request
	for i := range memberships.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&memberships.Items[i])})
	}
	return requests
}
