package acceptance

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/nearest"
	"github.com/bursar-dev/bursar/api/reach"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/index"
)

var parentPath = field.NewPath("spec", "parentRef")

// ancestors are what the budget inherits, nearest first, or why it must not have
// effect with the parents it has.
func ancestors(ctx context.Context, reader client.Reader, budget *v1alpha1.TenantBudget) ([]compile.Ancestor, *Decision, error) {
	parents, rejection, err := parents(ctx, reader, budget)
	if rejection == nil && err == nil {
		rejection = anyMoved(budget, parents)
	}
	if rejection == nil && err == nil {
		rejection, err = required(ctx, reader, budget, parents)
	}
	if rejection != nil || err != nil {
		return nil, rejection, err
	}
	ancestors := make([]compile.Ancestor, len(parents))
	// The topmost comes first: what is wrong with it is wrong with those below, too.
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
			return nil, parentRejected(parent, v1alpha1.ReasonInvalid), nil
		}
		ancestors[i] = ancestor
	}
	return ancestors, nil, nil
}

// anyMoved is why the budget must not have effect where it, or a budget above it, is below another tenant
// than before. The status of one above may not say so yet.
func anyMoved(budget *v1alpha1.TenantBudget, parents []*v1alpha1.TenantBudget) *Decision {
	if rejection := moved(budget, parents); rejection != nil {
		return rejection
	}
	for i, parent := range parents {
		if moved(parent, parents[i+1:]) != nil {
			return parentRejected(parent, v1alpha1.ReasonParentChanged)
		}
	}
	return nil
}

// parentRejected is the decision on a budget below one that is not accepted, for a reason.
func parentRejected(parent *v1alpha1.TenantBudget, reason string) *Decision {
	return reject(v1alpha1.ReasonParentNotAccepted, field.Invalid(parentPath, index.KeyOf(parent),
		fmt.Sprintf("TenantBudget %s is not accepted: %s", index.KeyOf(parent), reason)))
}

// moved is why the budget must not have effect below another tenant than before; nil when it is below
// the same, or was not accepted yet. What a tenant has spent is counted in its budget tree.
func moved(budget *v1alpha1.TenantBudget, parents []*v1alpha1.TenantBudget) *Decision {
	path := strings.Split(budget.Status.Path, "/")
	if len(path) < 2 || len(parents) == 0 {
		return nil // the API server lets nobody add or remove a parent
	}
	was, is := path[len(path)-2], parents[0].Spec.Tenant
	if was == is {
		return nil
	}
	return reject(v1alpha1.ReasonParentChanged, field.Invalid(parentPath, budget.ParentKey().String(), fmt.Sprintf(
		"is of tenant %s, and this budget is below tenant %s, where its spending is counted: name a TenantBudget of tenant %[2]s, "+
			"or delete this one and create it again", is, was)))
}

// required is why the budget must not have effect without an ancestor that its namespace demands; nil if
// it has the ancestor or is the ancestor, or if none is demanded.
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

// AncestorOf compiles what the budgets below a budget inherit from it. The errors of its fields are as
// compile.NewAncestor's.
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

// ChildrenOf are the accepted children of the budget. They are the reader's own objects. REQUIRES: nobody
// changes them.
func ChildrenOf(ctx context.Context, reader client.Reader, budget *v1alpha1.TenantBudget) ([]v1alpha1.TenantBudget, error) {
	children, err := index.Children(ctx, reader, client.ObjectKeyFromObject(budget), client.UnsafeDisableDeepCopy)
	return slices.DeleteFunc(children, func(child v1alpha1.TenantBudget) bool {
		return !child.DeletionTimestamp.IsZero() || !TargetVerdict(&child, nil).Holds()
	}), err
}

// ParentOf is the parent that a budget names, or the successor that the parent was handed over to.
// The key is that of the budget that was found or is missing. REQUIRES: the budget has a parent.
func ParentOf(ctx context.Context, reader client.Reader, budget *v1alpha1.TenantBudget) (*v1alpha1.TenantBudget, types.NamespacedName, error) {
	key := budget.ParentKey()
	parent, err := Governing(ctx, reader, key)
	if err != nil {
		return nil, key, err
	}
	return parent, client.ObjectKeyFromObject(parent), nil
}

// Governing is the budget with the key, or the one that it was handed over to.
func Governing(ctx context.Context, reader client.Reader, key types.NamespacedName) (*v1alpha1.TenantBudget, error) {
	var budget v1alpha1.TenantBudget
	if err := reader.Get(ctx, key, &budget); err != nil {
		return nil, err
	}
	return budget.Governing(func(key types.NamespacedName) (*v1alpha1.TenantBudget, error) {
		var successor v1alpha1.TenantBudget
		if err := reader.Get(ctx, key, &successor); err != nil {
			return nil, client.IgnoreNotFound(err)
		}
		return &successor, nil
	})
}

// parents are the budget's parent, that one's parent, and so on.
func parents(ctx context.Context, reader client.Reader, budget *v1alpha1.TenantBudget) ([]*v1alpha1.TenantBudget, *Decision, error) {
	var parents []*v1alpha1.TenantBudget
	chain := []string{index.KeyOf(budget)}
	for at := budget; at.Spec.ParentRef != nil; at = parents[len(parents)-1] {
		parent, key, err := ParentOf(ctx, reader, at)
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
		if client.IgnoreNotFound(err) != nil {
			return nil, nil, err
		}
		isThere := err == nil && parent.DeletionTimestamp.IsZero()
		if isThere {
			if isThere, err = allows(ctx, reader, parent, at); err != nil {
				return nil, nil, err
			}
		}
		if !isThere {
			isLeft := parent != nil && parent.DeletionTimestamp.IsZero()
			rejection, err := noParent(ctx, reader, budget, at, key, isLeft, parent != nil && !isLeft)
			return nil, rejection, err
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

// noParent is the decision on a budget that is, or is below, a child whose parent does not exist or
// does not allow it. In another namespace, a child must not learn which of the two it is: whether a
// budget exists there is not for others to know. It suggests a budget that allows the child, if one
// has nearly the same name.
func noParent(
	ctx context.Context, reader client.Reader, budget, child *v1alpha1.TenantBudget, parent client.ObjectKey, isThere, isDeleted bool,
) (*Decision, error) {
	whose, named := "this TenantBudget", ""
	if child.UID != budget.UID {
		whose, named = index.KeyOf(child), ", which "+index.KeyOf(child)+" names"
	}
	hint, err := meantParent(ctx, reader, child, parent)
	if err != nil {
		return nil, err
	}
	rest := ""
	if budget.Status.Path != "" {
		rest = "; the configuration that was accepted last stays in force"
	}
	if parent.Namespace == child.Namespace && !isThere {
		missing := field.NotFound(parentPath, parent.String())
		what := fmt.Sprintf("namespace %s has no TenantBudget of this name", parent.Namespace)
		if isDeleted {
			what = "the TenantBudget of this name is being deleted"
		}
		missing.Detail = what + named + hint + rest
		return reject(v1alpha1.ReasonParentNotFound, missing), nil
	}
	why := "does not allow"
	if parent.Namespace != child.Namespace {
		why = "is not there, or does not allow"
	}
	if hint == "" {
		hint = fmt.Sprintf(": include namespace %s in spec.allowedChildren.namespaces of TenantBudget %s", child.Namespace, parent)
	}
	return reject(v1alpha1.ReasonNotAllowedByParent,
		field.Invalid(parentPath, parent.String(), fmt.Sprintf("%s %s as a child%s%s", why, whose, hint, rest))), nil
}

// meantParent suggests another budget in place of the key of a child's parent, one that allows the
// child: with nearly the same key or, if the key has no namespace, with the same name. It is empty if
// there is none.
func meantParent(ctx context.Context, reader client.Reader, child *v1alpha1.TenantBudget, parent client.ObjectKey) (string, error) {
	var all v1alpha1.TenantBudgetList
	if err := reader.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return "", err
	}
	var near []string
	for i := range all.Items {
		other := &all.Items[i]
		isForgotten := parent.Namespace == child.Namespace && parent.Name == other.Name
		isNear := nearest.Name(oneWord(parent), []string{oneWord(client.ObjectKeyFromObject(other))}) != ""
		if other.UID == child.UID || !other.DeletionTimestamp.IsZero() || !isForgotten && !isNear {
			continue
		}
		allowed, err := allows(ctx, reader, other, child)
		if err != nil {
			return "", err
		}
		if allowed {
			near = append(near, index.KeyOf(other))
		}
	}
	if len(near) == 0 {
		return "", nil
	}
	return fmt.Sprintf("; did you mean %q?", slices.Min(near)), nil
}

// oneWord is a key without a slash, which nearest.Name would take for the end of a provider's name.
func oneWord(key client.ObjectKey) string { return key.Namespace + "." + key.Name }

func reject(reason string, err *field.Error) *Decision {
	rejection := rejected(reason, err)
	return &rejection
}
