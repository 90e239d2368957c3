package api

import (
	"context"
	"iter"
	"slices"

	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/console/cluster"
)

// Tenants are the tenants whose budgets the caller sees: those that they administer, and those below these.
// Tenants that they only belong to are not among them.
type Tenants struct {
	tree *cluster.Tree
	// roots are the tenants at which iteration begins; one empty name stands for all of the tree.
	roots []string
	// hidden are those below that the caller only belongs to.
	hidden map[string]bool
}

// Tenants are the tenants whose budgets the caller sees. The error is a *Problem.
func (a *API) Tenants(ctx context.Context, who auth.Who) (Tenants, error) {
	t, err := a.answers.tenants(ctx, who)
	return t, a.answers.explained(ctx, err)
}

func (a *api) tenants(ctx context.Context, who auth.Who) (Tenants, error) {
	tree, err := a.Cluster.Tree(ctx)
	if err != nil {
		return Tenants{}, err
	}
	t := Tenants{tree: tree, hidden: map[string]bool{}}
	if who.IsPlatformAdmin {
		t.roots = []string{""}
		return t, nil
	}
	administered := map[string]bool{}
	for _, tenancy := range who.Tenancies {
		if a.Auth.Administers(tenancy) {
			administered[tenancy.Tenant] = true
		} else {
			t.hidden[tenancy.Tenant] = true
		}
	}
	for _, tenancy := range who.Tenancies {
		isBelow := slices.ContainsFunc(tree.Above(tenancy.Tenant), func(above string) bool { return administered[above] })
		if administered[tenancy.Tenant] && !isBelow {
			t.roots = append(t.roots, tenancy.Tenant)
		}
	}
	slices.Sort(t.roots)
	return t, nil
}

// All iterates over the tenants in depth: each is followed by those below it, and siblings are in the order of
// their names.
func (t Tenants) All() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, root := range t.roots {
			for tenant := range t.tree.From(root) {
				if !t.hidden[tenant] && !yield(tenant) {
					return
				}
			}
		}
	}
}

// From iterates over a tenant and those below it, in the order of All.
func (t Tenants) From(tenant string) iter.Seq[string] {
	if !t.Has(tenant) {
		return func(func(string) bool) {}
	}
	return Tenants{tree: t.tree, roots: []string{tenant}, hidden: t.hidden}.All()
}

// Has reports whether a tenant is one of them.
func (t Tenants) Has(tenant string) bool {
	if len(t.roots) == 0 || t.hidden[tenant] || !t.tree.Has(tenant) {
		return false
	}
	return t.roots[0] == "" || slices.ContainsFunc(append(t.tree.Above(tenant), tenant), func(at string) bool {
		_, isRoot := slices.BinarySearch(t.roots, at)
		return isRoot
	})
}

// Above are the tenants above a tenant, nearest first, whether or not the caller sees their budgets.
func (t Tenants) Above(tenant string) []string { return t.tree.Above(tenant) }

// Zone is the time zone of one of them, as its budget names it.
func (t Tenants) Zone(tenant string) string { return t.tree.Zone(tenant) }

// HiddenBelow are, by name, the tenants below a tenant whose budgets the caller does not see.
func (t Tenants) HiddenBelow(tenant string) (hidden []string) {
	for one := range t.hidden {
		if slices.Contains(t.tree.Above(one), tenant) {
			hidden = append(hidden, one)
		}
	}
	slices.Sort(hidden)
	return hidden
}

// Page returns at most limit tenants of a sequence, after the named one, if any. next is what the next page
// comes after; empty on the last page. ok is false if the sequence does not have the named tenant.
func Page(all iter.Seq[string], after string, limit int) (page []string, next string, ok bool) {
	isAfter := after == ""
	for tenant := range all {
		switch {
		case !isAfter:
			isAfter = tenant == after
		case len(page) == limit:
			return page, page[limit-1], true
		default:
			page = append(page, tenant)
		}
	}
	return page, "", isAfter
}

// Versions identifies the states of the budgets of tenants. The error is a *Problem.
func (a *API) Versions(ctx context.Context, tenants []string) (string, error) {
	versions, err := a.answers.Cluster.Versions(ctx, tenants)
	return versions, a.answers.explained(ctx, err)
}
