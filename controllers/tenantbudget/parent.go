package tenantbudget

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/compile"
	"github.com/bursar-dev/bursar/controllers/conditions"
	"github.com/bursar-dev/bursar/controllers/index"
)

var parentPath = field.NewPath("spec", "parentRef")

// ancestors are what the budget inherits, nearest first, or why it must not have
// effect with the parents it has.
func (c *Controller) ancestors(ctx context.Context, budget *v1alpha1.TenantBudget) ([]compile.Ancestor, *conditions.Verdict, error) {
	parents, rejection, err := c.parents(ctx, budget)
	if rejection != nil || err != nil {
		return nil, rejection, err
	}
	ancestors := make([]compile.Ancestor, len(parents))
	// The topmost first: what is wrong with it is what is wrong with those below.
	for i, parent := range slices.Backward(parents) {
		if verdict := conditions.OfParent(parent, parentPath); !verdict.Holds() {
			return nil, &verdict, nil
		}
		policies, err := c.policiesOf(ctx, parent)
		if err != nil {
			return nil, nil, err
		}
		ancestor, errs := compile.NewAncestor(parent, policies)
		if len(errs) > 0 {
			// Its own status will say so.
			return nil, reject(v1alpha1.ReasonParentNotAccepted, field.Invalid(parentPath, index.KeyOf(parent),
				fmt.Sprintf("TenantBudget %s is not accepted: %s", index.KeyOf(parent), v1alpha1.ReasonInvalid))), nil
		}
		ancestors[i] = ancestor
	}
	return ancestors, nil, nil
}

// refresh brings up to date what the document of a budget that is not accepted
// inherits, and leaves the rest as it was. What an ancestor takes away, or a breaker
// that it forces, must not be escaped by a mistake in a budget below.
func (c *Controller) refresh(ctx context.Context, budget *v1alpha1.TenantBudget) error {
	if budget.Spec.ParentRef == nil {
		return nil
	}
	observed, err := c.limiter.Observe(ctx, documentID(budget))
	if err != nil || !observed.OwnedBy(string(budget.UID)) {
		return err
	}
	var document limiterv1.Tenant
	if err := json.Unmarshal(observed.Body, &document); err != nil {
		return err
	}
	for _, source := range compile.AncestorsOf(document) {
		ancestor, isFit, err := c.ancestor(ctx, source)
		if err != nil {
			return err
		}
		if isFit {
			document = compile.Inherit(document, ancestor)
		}
	}
	return c.put(ctx, budget, document)
}

// ancestor compiles a budget that a document was compiled from, unless it is gone or
// is not to have effect itself.
func (c *Controller) ancestor(ctx context.Context, source limiterv1.Source) (compile.Ancestor, bool, error) {
	var budget v1alpha1.TenantBudget
	err := c.client.Get(ctx, types.NamespacedName{Namespace: source.Namespace, Name: source.Name}, &budget)
	if err != nil {
		return compile.Ancestor{}, false, client.IgnoreNotFound(err)
	}
	isSame := string(budget.UID) == source.UID && budget.DeletionTimestamp.IsZero()
	if !isSame || !conditions.OfParent(&budget, parentPath).Holds() {
		return compile.Ancestor{}, false, nil
	}
	policies, err := c.policiesOf(ctx, &budget)
	if err != nil {
		return compile.Ancestor{}, false, err
	}
	ancestor, errs := compile.NewAncestor(&budget, policies)
	return ancestor, len(errs) == 0, nil
}

// parents are the budget's parent, that one's parent, and so on.
func (c *Controller) parents(ctx context.Context, budget *v1alpha1.TenantBudget) ([]*v1alpha1.TenantBudget, *conditions.Verdict, error) {
	var parents []*v1alpha1.TenantBudget
	chain := []string{index.KeyOf(budget)}
	for at := budget; at.Spec.ParentRef != nil; at = parents[len(parents)-1] {
		key := index.ParentOf(at)
		isCycle := slices.Contains(chain, key.String())
		chain = append(chain, key.String())
		way := strings.Join(chain, " -> ")
		switch {
		case isCycle:
			return nil, reject(v1alpha1.ReasonParentCycle, field.Invalid(parentPath, chain[1], "must not lead back: "+way)), nil
		case len(parents) == limiterv1.MaxDepth:
			return nil, reject(v1alpha1.ReasonParentTooDeep, field.Invalid(parentPath, chain[1],
				fmt.Sprintf("must not have more than %d budgets above it: %s", limiterv1.MaxDepth, way))), nil
		}
		parent := &v1alpha1.TenantBudget{}
		err := c.client.Get(ctx, key, parent)
		switch {
		case apierrors.IsNotFound(err), err == nil && !parent.DeletionTimestamp.IsZero():
			rejection := reject(v1alpha1.ReasonParentNotFound, field.NotFound(parentPath, key.String()))
			if len(parents) > 0 {
				rejection.Message += ", of " + way
			}
			return nil, rejection, nil
		case err != nil:
			return nil, nil, err
		}
		parents = append(parents, parent)
	}
	return parents, nil, nil
}

func reject(reason string, err *field.Error) *conditions.Verdict {
	rejection := conditions.Rejected(reason, err.Error())
	return &rejection
}
