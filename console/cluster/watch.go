package cluster

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

const (
	// byTenant finds TenantBudgets by the tenant they name, byParent by the key of their parent,
	// and byBudget APIKeys by the name of their budget.
	byTenant = "spec.tenant"
	byParent = "spec.parentRef"
	byBudget = "spec.budgetRef.name"
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
		{&v1alpha1.TenantBudget{}, byParent, func(o client.Object) []string {
			if budget := o.(*v1alpha1.TenantBudget); budget.Spec.ParentRef != nil {
				return []string{budget.ParentKey().String()}
			}
			return nil
		}},
		{&v1alpha1.APIKey{}, byBudget, func(o client.Object) []string {
			return []string{o.(*v1alpha1.APIKey).Spec.BudgetRef.Name}
		}},
	} {
		if err := indexer.IndexField(ctx, index.object, index.field, index.values); err != nil {
			return err
		}
	}
	// No controller watches these: their cache is to be full before the first who asks.
	for _, object := range []client.Object{&v1alpha1.RateLimitPolicy{}, &v1alpha1.ModelProvider{}} {
		if _, err := c.manager.GetCache().GetInformer(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// register has a namespace taken in again whenever an object in it that says who may ask has
// changed, and IdentityProviders, each by itself.
func (c *Cluster) register() error {
	notElected := false
	options := controller.Options{NeedLeaderElection: &notElected}
	ofNamespace := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: o.GetNamespace()}}}
	})
	err := ctrl.NewControllerManagedBy(c.manager).Named("callers").WithOptions(options).
		Watches(&v1alpha1.TenantBudget{}, ofNamespace).
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
