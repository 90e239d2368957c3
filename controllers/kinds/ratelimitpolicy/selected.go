package ratelimitpolicy

import (
	"context"
	"errors"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rules/index"
)

// News of the targets of a policy with a selector is gathered for this long, or for eachTarget
// per target if that is longer.
const (
	gather     = 300 * time.Millisecond
	eachTarget = 500 * time.Microsecond
)

// gathering is how long news of a policy's targets waits for more: each reconcile of the policy
// looks at all of them.
func gathering(policy *v1alpha1.RateLimitPolicy) time.Duration {
	pause := gather
	if targets := policy.Status.Targets; targets != nil {
		pause = max(pause, time.Duration(*targets)*eachTarget)
	}
	return pause
}

// observeSelected finds how far a policy with a selector has got: in the documents of all
// tenants that it selects, in those that inherit from them, and at the enforcers that run them.
// Only the document that got the policy last is probed: TenantBudgets prove their own documents.
func (c *Controller) observeSelected(ctx context.Context, s *scope) error {
	var keys []types.NamespacedName
	var ids []limiterv1.DocumentID
	for _, budget := range s.targets {
		keys = append(keys, client.ObjectKeyFromObject(budget))
		ids = append(ids, limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: budget.Spec.Tenant})
	}
	below, err := index.DocumentsBelow(ctx, c.client, keys...)
	if err != nil {
		return err
	}
	documents, err := c.documents.List(ctx, ids...)
	inheriting, belowErr := c.documents.List(ctx, below...)
	// Enforcers are read after the documents, so that they had time to follow.
	fleet, fleetErr := c.enforcers.Fleet(ctx)
	if err := errors.Join(err, belowErr, fleetErr); err != nil {
		return err
	}
	last, found := c.arrivals.take(s.Object, s.wanted(), documents, fleet, s.Now)
	if !conditions.IsProgrammed(s.Object) {
		// Once the policy is programmed, new targets do not change that: they have no document yet by
		// which a call could be admitted.
		found.Lacking, found.Selected = found.Lacking+s.pending, found.Selected+s.pending
	}
	found.LeftOut = s.leftOut
	s.Rollout = found.Inherited(fleet, inheriting, s.Object)
	s.proving = last
	return nil
}

// wanted are the targets whose documents have to contain the policy.
func (s *scope) wanted() []*v1alpha1.TenantBudget {
	crowdedOut := sets.New(s.crowdedOut...)
	return slices.DeleteFunc(slices.Clone(s.targets), crowdedOut.Has)
}

// Awaited is nothing for a policy with a selector. The changes of its targets' statuses have it
// reconciled, after a pause that gathers them: a reconcile at each step of each target would look
// at all targets each time.
func (s *scope) Awaited() conditions.Rollout {
	if s.Object.Spec.TargetSelector != nil {
		return conditions.Rollout{}
	}
	return s.Rollout
}

// RequeueAfter is the pause until the status of the policy may change by itself.
func (s *scope) RequeueAfter() time.Duration {
	if s.Object.Spec.TargetSelector != nil {
		return max(s.Scope.RequeueAfter(), gathering(s.Object))
	}
	return s.Scope.RequeueAfter()
}
