package cluster

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

const (
	// byTenant finds TenantBudgets by the tenant that they name, byBudget APIKeys by the name of their
	// budget, and byTarget RateLimitPolicies by the name of their target. bySelection finds policies with
	// a selector by the namespace where they select, or by beyond.
	byTenant    = "spec.tenant"
	byBudget    = "spec.budgetRef.name"
	byTarget    = "spec.targetRef.name"
	bySelection = "spec.targetSelector"

	// beyond stands for other namespaces than their own; no namespace has such a name.
	beyond = "*"
)

func (c *Cluster) index(ctx context.Context) error {
	indexer := c.manager.GetFieldIndexer()
	for _, index := range []struct {
		object client.Object
		field  string
		values client.IndexerFunc
	}{
		{&v1alpha1.TenantBudget{}, byTenant, func(o client.Object) []string {
			return []string{o.(*v1alpha1.TenantBudget).Spec.Tenant}
		}},
		{&v1alpha1.APIKey{}, byBudget, func(o client.Object) []string {
			return []string{o.(*v1alpha1.APIKey).Spec.BudgetRef.Name}
		}},
		{&v1alpha1.RateLimitPolicy{}, byTarget, func(o client.Object) []string {
			if target := o.(*v1alpha1.RateLimitPolicy).Spec.TargetRef; target != nil {
				return []string{target.Name}
			}
			return nil
		}},
		{&v1alpha1.RateLimitPolicy{}, bySelection, func(o client.Object) []string {
			switch target := o.(*v1alpha1.RateLimitPolicy).Spec.TargetSelector; {
			case target == nil:
				return nil
			case target.ReachesBeyond():
				return []string{beyond}
			}
			return []string{o.GetNamespace()}
		}},
	} {
		if err := indexer.IndexField(ctx, index.object, index.field, index.values); err != nil {
			return err
		}
	}
	// No controller watches these, so their caches are filled before the first request.
	for _, object := range []client.Object{&v1alpha1.RateLimitPolicy{}, &v1alpha1.ModelProvider{}, namespaces()} {
		if _, err := c.manager.GetCache().GetInformer(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// namespaces is a namespace with only its metadata, which is all that is read and kept.
func namespaces() *metav1.PartialObjectMetadata {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return namespace
}

// shapeChanged ignores changes of a TenantBudget's figures, which come every few seconds.
var shapeChanged = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool { return hasOtherShape(e.ObjectOld, e.ObjectNew) }}

// register has a namespace taken in again whenever an object in it changes that tells who callers are,
// and each IdentityProvider when it changes.
func (c *Cluster) register() error {
	notElected := false
	options := controller.Options{NeedLeaderElection: &notElected}
	ofNamespace := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: o.GetNamespace()}}}
	})
	err := ctrl.NewControllerManagedBy(c.manager).Named("callers").WithOptions(options).
		Watches(&v1alpha1.TenantBudget{}, ofNamespace, builder.WithPredicates(shapeChanged)).
		Watches(&v1alpha1.APIKey{}, ofNamespace).
		Watches(&v1alpha1.Membership{}, ofNamespace).
		Complete(reconcile.Func(func(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
			return reconcile.Result{}, c.takeNamespace(ctx, r.Name)
		}))
	if err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(c.manager).Named("identityproviders").WithOptions(options).
		For(&v1alpha1.IdentityProvider{}).
		Complete(reconcile.Func(func(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
			return reconcile.Result{}, c.takeProvider(ctx, r.Name)
		}))
}
