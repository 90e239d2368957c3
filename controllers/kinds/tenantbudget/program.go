package tenantbudget

import (
	"cmp"
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

func documentID(budget *v1alpha1.TenantBudget) limiterv1.DocumentID {
	return limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: budget.Spec.Tenant}
}

// programs reports whether the budget is about to program something.
func (s *scope) programs() bool { return s.document != nil }

// program puts the document. If the budget is invalid, what it programmed before stays in
// force, with the present limits of its ancestors. If it may no longer name its tenant, that
// is withdrawn.
func (c *Controller) program(ctx context.Context, s *scope) error {
	ctx, cancel := s.StoreContext(ctx)
	defer cancel()
	switch {
	case s.document != nil:
		return c.put(ctx, s.Object, *s.document)
	case s.forfeited:
		_, err := c.documents.Withdraw(ctx, documentID(s.Object), string(s.Object.UID))
		return err
	}
	return c.refresh(ctx, s.Object)
}

func (c *Controller) put(ctx context.Context, budget *v1alpha1.TenantBudget, document limiterv1.Tenant) error {
	if err := c.recounter.Prepare(ctx, document); err != nil {
		return err
	}
	if _, err := c.documents.Put(ctx, documentID(budget), document); err != nil {
		return err
	}
	return c.recounter.Recount(ctx, document)
}

// record keeps on record which limits are in force, be they of this generation or of an
// older one that was valid. It comes last and is retried if it fails: enforcement does not
// depend on it.
func (c *Controller) record(ctx context.Context, s *scope) error {
	storeCtx, cancel := context.WithTimeout(ctx, rollout.StoreTimeout)
	defer cancel()
	switch {
	case s.Rollout.Err != nil:
		return nil
	case s.forfeited:
		c.limitsRecorded.forget(s.Object.Spec.Tenant)
		err := c.limits.Close(storeCtx, s.Object.Spec.Tenant, string(s.Object.UID))
		s.Withdrawn = err == nil
		return err
	case s.inForce != nil:
		own := s.inForce.Sources[0]
		return c.limitsRecorded.once(storeCtx, budgetstore.Budget{
			Namespace:  own.Namespace,
			Name:       own.Name,
			UID:        own.UID,
			Generation: own.Generation,
			Level:      s.inForce.Level,
			Change:     changeTo(s.Object, own),
			Policies:   c.policiesOf(ctx, s.inForce),
		}, s.Now, c.limits.Record)
	}
	return nil
}

// policiesOf are the policies whose limits are in a document, except those of the tenant's ancestors.
func (c *Controller) policiesOf(ctx context.Context, document *limiterv1.Tenant) (policies []budgetstore.Policy) {
	for _, source := range document.Sources[1:] {
		if source.Kind == document.Sources[0].Kind {
			return policies // here, the sources of an ancestor begin
		}
		if source.Kind != "RateLimitPolicy" {
			continue
		}
		p := budgetstore.Policy{Namespace: source.Namespace, Name: source.Name, UID: source.UID, Generation: source.Generation}
		var policy v1alpha1.RateLimitPolicy
		err := c.client.Get(ctx, types.NamespacedName{Namespace: source.Namespace, Name: source.Name}, &policy)
		if err == nil && string(policy.UID) == source.UID && policy.Generation == source.Generation {
			p.Gist = budgetstore.Gist(policy.Spec)
		}
		policies = append(policies, p)
	}
	return policies
}

// changeTo is the change by which the budget became what is in force; nil if it has changed since.
func changeTo(budget *v1alpha1.TenantBudget, inForce limiterv1.Source) *budgetstore.Change {
	if string(budget.UID) != inForce.UID || budget.Generation != inForce.Generation {
		return nil
	}
	change := &budgetstore.Change{
		ResourceVersion: budget.ResourceVersion,
		Gist:            budgetstore.Gist(budget.Spec),
		Enforcement:     string(budget.Spec.Enforcement),
	}
	if breaker := budget.Spec.Breaker; breaker != nil {
		change.BreakerForced = string(breaker.Forced)
	}
	if currency := budget.Spec.Currency; currency != nil {
		change.Currency = budgetstore.Currency{Code: currency.Code, USDPerUnit: currency.USDPerUnit, AsOf: currency.AsOf, Written: map[string]string{}}
		for _, limit := range budget.Spec.Limits {
			change.Currency.Written[limit.Name] = string(limit.Amount)
		}
	}
	if last := specManager(budget.ManagedFields); last != nil {
		change.FieldManager, change.ManagedAt = last.Manager, last.Time.UTC()
	}
	return change
}

// withdraw withdraws what a budget that is being deleted has programmed. What has been taken over
// by another budget stays.
func (c *Controller) withdraw(ctx context.Context, budget *v1alpha1.TenantBudget) (bool, error) {
	if err := c.awaitSuccessor(ctx, budget); err != nil {
		return false, err
	}
	withdrawn, withdrawErr := c.documents.Withdraw(ctx, documentID(budget), string(budget.UID))
	c.limitsRecorded.forget(budget.Spec.Tenant)
	closeErr := c.limits.Close(ctx, budget.Spec.Tenant, string(budget.UID))
	if err := errors.Join(withdrawErr, closeErr); err != nil {
		return withdrawn, err
	}
	c.rateLimiter.Forget(budget.UID)
	c.memories.forget(budget.UID)
	c.deliverer.Forget(budget.UID)
	return withdrawn, nil
}

// errSuccessor is the error while a budget waits to be taken over.
var errSuccessor = errors.New("the successor has not taken over the tenant yet")

// awaitSuccessor fails while the budget's successor is about to take over what it has
// programmed, so that no calls are refused in between. It does not wait for a successor that is
// not accepted.
func (c *Controller) awaitSuccessor(ctx context.Context, budget *v1alpha1.TenantBudget) error {
	ref := budget.Spec.SuccessorRef
	if ref == nil {
		return nil
	}
	successor, err := acceptance.Governing(ctx, c.client, types.NamespacedName{Namespace: cmp.Or(ref.Namespace, budget.Namespace), Name: ref.Name})
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	accepted := meta.FindStatusCondition(successor.Status.Conditions, v1alpha1.ConditionAccepted)
	isRejected := accepted != nil && accepted.Status == metav1.ConditionFalse && accepted.ObservedGeneration == successor.Generation &&
		accepted.Reason != v1alpha1.ReasonConflicted // which may be because of this budget
	if successor.Spec.Tenant != budget.Spec.Tenant || successor.UID == budget.UID || !successor.DeletionTimestamp.IsZero() || isRejected {
		return nil
	}
	observed, err := c.documents.Observe(ctx, documentID(budget))
	if err == nil && observed.OwnedBy(string(budget.UID)) {
		err = errSuccessor
	}
	return err
}
