package cluster

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Tree is the tenants with an accepted TenantBudget, and which are above which. It is immutable: the Cluster
// makes another one when a budget comes, goes, or gets another spec.
type Tree struct {
	nodes map[string]*node
	// roots are the tenants without a parent, by name.
	roots []string
}

type node struct {
	parent, zone string
	// children are in the order of their names.
	children []string
}

// Has reports whether a tenant has an accepted TenantBudget.
func (t *Tree) Has(tenant string) bool { return t.nodes[tenant] != nil }

// Zone is the time zone of a tenant as its budget names it; empty for none.
func (t *Tree) Zone(tenant string) string {
	if of := t.nodes[tenant]; of != nil {
		return of.zone
	}
	return ""
}

// Above are the tenants above one, nearest first.
func (t *Tree) Above(tenant string) (above []string) {
	for at := t.nodes[tenant]; at != nil && at.parent != "" && len(above) < limiterv1.MaxDepth; at = t.nodes[at.parent] {
		above = append(above, at.parent)
	}
	return above
}

// From iterates over a tenant and those below it in depth: each is followed by those below it, and siblings are
// in the order of their names. An empty name stands for all tenants.
func (t *Tree) From(tenant string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if tenant != "" {
			t.walk(tenant, 0, yield)
			return
		}
		for _, root := range t.roots {
			if !t.walk(root, 0, yield) {
				return
			}
		}
	}
}

func (t *Tree) walk(tenant string, depth int, yield func(string) bool) (goesOn bool) {
	at := t.nodes[tenant]
	if at == nil || depth > limiterv1.MaxDepth {
		return true
	}
	if !yield(tenant) {
		return false
	}
	for _, child := range at.children {
		if !t.walk(child, depth+1, yield) {
			return false
		}
	}
	return true
}

// trees keep the Tree until it is out of date.
type trees struct {
	// changes counts the changes of budgets that may have made it so.
	changes atomic.Int64

	mu     sync.Mutex
	latest *Tree
	// of is the value of changes when the latest Tree was made.
	of int64
}

// Tree is the current one.
func (c *Cluster) Tree(ctx context.Context) (*Tree, error) {
	c.trees.mu.Lock()
	defer c.trees.mu.Unlock()
	changes := c.trees.changes.Load()
	if c.trees.latest != nil && c.trees.of == changes {
		return c.trees.latest, nil
	}
	var budgets v1alpha1.TenantBudgetList
	if err := c.client.List(ctx, &budgets, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	c.trees.latest, c.trees.of = treeOf(budgets.Items), changes
	return c.trees.latest, nil
}

func treeOf(budgets []v1alpha1.TenantBudget) *Tree {
	all, governing := map[types.NamespacedName]*v1alpha1.TenantBudget{}, map[string][]*v1alpha1.TenantBudget{}
	for i := range budgets {
		budget := &budgets[i]
		all[client.ObjectKeyFromObject(budget)] = budget
		if isGoverning(budget) {
			governing[budget.Spec.Tenant] = append(governing[budget.Spec.Tenant], budget)
		}
	}
	maps.DeleteFunc(governing, func(_ string, of []*v1alpha1.TenantBudget) bool { return len(of) > 1 }) // as Budget has it
	tree := &Tree{nodes: map[string]*node{}}
	for tenant, of := range governing {
		tree.nodes[tenant] = &node{zone: of[0].Spec.TimeZone, parent: parentOf(of[0], all)}
	}
	for _, tenant := range slices.Sorted(maps.Keys(tree.nodes)) {
		at := tree.nodes[tenant]
		if above := tree.nodes[at.parent]; above != nil {
			above.children = append(above.children, tenant)
		} else {
			at.parent, tree.roots = "", append(tree.roots, tenant)
		}
	}
	return tree
}

// parentOf is the tenant of a budget's parent, or of the budget that the parent was handed over to; empty if
// there is no accepted one.
func parentOf(budget *v1alpha1.TenantBudget, all map[types.NamespacedName]*v1alpha1.TenantBudget) string {
	if budget.Spec.ParentRef == nil {
		return ""
	}
	parent := all[budget.ParentKey()]
	if parent == nil {
		return ""
	}
	parent, _ = parent.Governing(func(key types.NamespacedName) (*v1alpha1.TenantBudget, error) { return all[key], nil })
	if !isGoverning(parent) {
		return ""
	}
	return parent.Spec.Tenant
}

// watchTree invalidates the Tree when a budget changes that it may depend on.
func (c *Cluster) watchTree(ctx context.Context) error {
	informer, err := c.manager.GetCache().GetInformer(ctx, &v1alpha1.TenantBudget{})
	if err != nil {
		return err
	}
	_, err = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { c.trees.changes.Add(1) },
		DeleteFunc: func(any) { c.trees.changes.Add(1) },
		UpdateFunc: func(before, after any) {
			if hasOtherShape(before.(*v1alpha1.TenantBudget), after.(*v1alpha1.TenantBudget)) {
				c.trees.changes.Add(1)
			}
		},
	})
	return err
}

// hasOtherShape reports whether more than the figures of a budget have changed.
func hasOtherShape(before, after client.Object) bool {
	return shapeOf(before.(*v1alpha1.TenantBudget)) != shapeOf(after.(*v1alpha1.TenantBudget))
}

// shape is the part of a budget that a Tree depends on.
type shape struct {
	uid              types.UID
	generation       int64
	isDeleted        bool
	accepted, reason string
}

func shapeOf(budget *v1alpha1.TenantBudget) shape {
	s := shape{uid: budget.UID, generation: budget.Generation, isDeleted: !budget.DeletionTimestamp.IsZero()}
	if accepted := meta.FindStatusCondition(budget.Status.Conditions, v1alpha1.ConditionAccepted); accepted != nil {
		s.accepted, s.reason = string(accepted.Status), accepted.Reason
	}
	return s
}

// Versions identifies the states of the TenantBudgets of tenants.
func (c *Cluster) Versions(ctx context.Context, tenants []string) (string, error) {
	var versions strings.Builder
	for _, tenant := range tenants {
		var budgets v1alpha1.TenantBudgetList
		if err := c.client.List(ctx, &budgets, client.UnsafeDisableDeepCopy, client.MatchingFields{byTenant: tenant}); err != nil {
			return "", err
		}
		for _, budget := range budgets.Items {
			versions.WriteString(string(budget.UID) + budget.ResourceVersion + "\n")
		}
	}
	return versions.String(), nil
}
