package acceptance

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/index"
	"github.com/bursar-dev/bursar/controllers/rules/reach"
)

var parentPath = field.NewPath("spec", "parentRef")

// ancestors are what the budget inherits, nearest first, or why it must not have
// effect with the parents it has.
func ancestors(ctx context.Context, reader client.Reader, budget *v1alpha1.TenantBudget) ([]compile.Ancestor, *Decision, error) {
	parents, rejection, err := parents(ctx, reader, budget)
	if rejection == nil && err == nil {
		rejection, err = required(ctx, reader, budget, parents)
	}
	if rejection != nil || err != nil {
		return nil, rejection, err
	}
	ancestors := make([]compile.Ancestor, len(parents))
	// The topmost first: what is wrong with it is what is wrong with those below.
	for i, parent := range slices.Backward(parents) {
		if verdict := ParentVerdict(parent, parentPath); !verdict.Holds() {
			return nil, &Decision{Verdict: verdict}, nil
		}
		ancestor, errs, err := AncestorOf(ctx, reader, parent)
		if err != nil {
			return nil, nil, err
		}
		if len(errs) > 0 {
			// Its own status will say so.
			return nil, reject(v1alpha1.ReasonParentNotAccepted, field.Invalid(parentPath, index.KeyOf(parent),
				fmt.Sprintf("TenantBudget %s is not accepted: %s", index.KeyOf(parent), v1alpha1.ReasonInvalid))), nil
		}
		ancestors[i] = ancestor
	}
	return ancestors, nil, nil
}

// required is why the budget must not have effect without an ancestor that its namespace
// demands; nil when it has it, is it, or none is demanded.
func required(
	ctx context.Context, reader client.Reader, budget *v1alpha1.TenantBudget, parents []*v1alpha1.TenantBudget,
) (*Decision, error) {
	labels, err := labelsIn(ctx, reader)(budget.Namespace)
	tenant := labels[v1alpha1.RequiredAncestorLabel]
	has := slices.ContainsFunc(parents, func(parent *v1alpha1.TenantBudget) bool { return parent.Spec.Tenant == tenant })
	if err != nil || tenant == "" || has || budget.Spec.Tenant == tenant {
		return nil, err
	}
	return reject(v1alpha1.ReasonAncestorRequired, field.Required(parentPath, fmt.Sprintf(
		"namespace %s is labelled %s=%s: name the TenantBudget of tenant %[3]s, or one below it, as the parent",
		budget.Namespace, v1alpha1.RequiredAncestorLabel, tenant))), nil
}

// AncestorOf compiles what those below a budget inherit of it. The errors of its
// fields are as compile.NewAncestor's.
func AncestorOf(
	ctx context.Context, reader client.Reader, budget *v1alpha1.TenantBudget,
) (compile.Ancestor, field.ErrorList, error) {
	policies, err := policiesOf(ctx, reader, budget)
	if err != nil {
		return compile.Ancestor{}, nil, err
	}
	grants, err := grantsOf(ctx, reader, budget)
	if err != nil {
		return compile.Ancestor{}, nil, err
	}
	ancestor, errs := compile.NewAncestor(budget, policies, grants)
	return ancestor, errs, nil
}

// ChildrenOf are the budgets that name the given one as their parent and are accepted.
// They are the reader's own: REQUIRES that nobody changes them.
func ChildrenOf(ctx context.Context, reader client.Reader, budget *v1alpha1.TenantBudget) ([]v1alpha1.TenantBudget, error) {
	var children v1alpha1.TenantBudgetList
	err := reader.List(ctx, &children, client.UnsafeDisableDeepCopy,
		client.MatchingFields{index.BudgetParent: index.KeyOf(budget)})
	return slices.DeleteFunc(slices.Clone(children.Items), func(child v1alpha1.TenantBudget) bool {
		return !child.DeletionTimestamp.IsZero() || !TargetVerdict(&child, nil).Holds()
	}), err
}

// parents are the budget's parent, that one's parent, and so on.
func parents(ctx context.Context, reader client.Reader, budget *v1alpha1.TenantBudget) ([]*v1alpha1.TenantBudget, *Decision, error) {
	var parents []*v1alpha1.TenantBudget
	chain := []string{index.KeyOf(budget)}
	for at := budget; at.Spec.ParentRef != nil; at = parents[len(parents)-1] {
		key := at.ParentKey()
		isCycle := slices.Contains(chain, key.String())
		chain = append(chain, key.String())
		way := strings.Join(chain, " -> ")
		switch {
		case isCycle:
			return nil, reject(v1alpha1.ReasonParentCycle, field.Invalid(parentPath, chain[1], "must not form a cycle: "+way)), nil
		case len(parents) == limiterv1.MaxDepth:
			return nil, reject(v1alpha1.ReasonParentTooDeep, field.Invalid(parentPath, chain[1],
				fmt.Sprintf("must not have more than %d budgets above it: %s", limiterv1.MaxDepth, way))), nil
		}
		parent := &v1alpha1.TenantBudget{}
		err := reader.Get(ctx, key, parent)
		isThere := err == nil && parent.DeletionTimestamp.IsZero()
		switch {
		case client.IgnoreNotFound(err) != nil:
			return nil, nil, err
		case !isThere && key.Namespace != at.Namespace:
			return nil, notAllowed(key, at, len(parents) == 0), nil
		case !isThere:
			rejection := reject(v1alpha1.ReasonParentNotFound, field.NotFound(parentPath, key.String()))
			if len(parents) > 0 {
				rejection.Message += ", of " + way
			}
			return nil, rejection, nil
		}
		allowed, err := allows(ctx, reader, parent, at)
		switch {
		case err != nil:
			return nil, nil, err
		case !allowed:
			return nil, notAllowed(key, at, len(parents) == 0), nil
		}
		parents = append(parents, parent)
		if parent.Spec.Tenant == budget.Spec.Tenant {
			return nil, reject(v1alpha1.ReasonParentCycle, field.Invalid(parentPath, chain[1],
				fmt.Sprintf("must not lead to another budget of the same tenant, which %s is: %s", key, way))), nil
		}
	}
	return parents, nil, nil
}

// allows reports whether a budget lets another one name it as its parent.
func allows(ctx context.Context, reader client.Reader, parent, child *v1alpha1.TenantBudget) (bool, error) {
	var namespaces v1alpha1.Namespaces
	if allowed := parent.Spec.AllowedChildren; allowed != nil {
		namespaces = allowed.Namespaces
	}
	return reach.Includes(namespaces, parent.Namespace, child.Namespace, labelsIn(ctx, reader))
}

// notAllowed is the decision on a budget that is, or is below, a child that its parent
// does not allow, or whose parent is not there. Who may not be its child must not learn which
// it is: whether a budget of another namespace exists is for that namespace to tell.
func notAllowed(parent client.ObjectKey, child *v1alpha1.TenantBudget, isOwn bool) *Decision {
	whose, missing := "this TenantBudget", "is not there, or "
	if !isOwn {
		whose = index.KeyOf(child)
	}
	if parent.Namespace == child.Namespace {
		missing = ""
	}
	return reject(v1alpha1.ReasonNotAllowedByParent, field.Invalid(parentPath, parent.String(), fmt.Sprintf(
		"%[4]sdoes not allow %[1]s as a child: include namespace %[3]s in spec.allowedChildren.namespaces of TenantBudget %[2]s; "+
			"a configuration that was accepted before, if any, stays in force", whose, parent, child.Namespace, missing)))
}

func reject(reason string, err *field.Error) *Decision {
	rejection := rejected(reason, err)
	return &rejection
}
