package api

import (
	"context"
	"iter"
	"slices"

	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/console/cluster"
)

// Tenants are those of which somebody sees the budgets: those that they administer, and those below these. The
// tenants that they belong to without administering them are none of these.
type Tenants struct {
	tree *cluster.Tree
	// roots are where to begin to go through all of them; one empty name is where everything begins.
	roots []string
	// hidden are those below that they belong to without administering them.
	hidden map[string]bool
}

// Tenants are those of which somebody sees the budgets. The error is a *Problem.
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

// All goes through all of them: each is followed by those below it, and beside one another they are by name.
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

// From goes through one of them and those below it, in the order of All.
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

// Above are the tenants above one of them, nearest first, whether or not they are of these.
func (t Tenants) Above(tenant string) []string { return t.tree.Above(tenant) }

// Zone is the time zone of one of them, as its budget names it.
func (t Tenants) Zone(tenant string) string { return t.tree.Zone(tenant) }

// HiddenBelow are the tenants below one that are none of these, although those beside them may be, by name.
func (t Tenants) HiddenBelow(tenant string) (hidden []string) {
	for one := range t.hidden {
		if slices.Contains(t.tree.Above(one), tenant) {
			hidden = append(hidden, one)
		}
	}
	slices.Sort(hidden)
	return hidden
}

// Page are so many of those that a sequence goes through, after one of them if it is named, and that which the next
// page is after; empty for the last. It is not ok where the sequence has none of the name.
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

// Versions say which states of the budgets of tenants there are. The error is a *Problem.
func (a *API) Versions(ctx context.Context, tenants []string) (string, error) {
	versions, err := a.answers.Cluster.Versions(ctx, tenants)
	return versions, a.answers.explained(ctx, err)
}
