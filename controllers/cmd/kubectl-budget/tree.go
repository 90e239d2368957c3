package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/history"
)

// tree is the TenantBudgets that can be seen, some of which are parents of others.
type tree struct {
	budgets []v1alpha1.TenantBudget
	// partial is why some of them cannot be seen; nil if all can.
	partial error
}

// tree is what can be seen of the cluster's budgets: all or, if that is not allowed, those of
// a namespace.
func (c *cluster) tree(ctx context.Context, namespace string) (tree, error) {
	all, err := c.budgets(ctx, "")
	if err == nil {
		return tree{budgets: all}, nil
	}
	if !apierrors.IsForbidden(err) {
		return tree{}, err
	}
	own, ownErr := c.budgets(ctx, namespace)
	return tree{budgets: own, partial: err}, ownErr
}

// unknown is what cannot be known of a document's ancestors, if anything.
func (t tree) unknown(document limiterv1.Tenant) []string {
	if t.partial == nil || len(document.Ancestors) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the spending of other descendants of tenant %s: %v", document.Ancestors[0].Tenant, t.partial)}
}

// whose says for which tenant to ask the ledger.
type whose struct{ tenant, budget string }

func (w *whose) addFlags(cmd *cobra.Command, c *cluster) {
	cmd.Flags().StringVar(&w.tenant, "tenant", "", "name of the tenant (default: the budget's)")
	cmd.Flags().StringVar(&w.budget, "budget", "", "name of the TenantBudget (default: the only one in the namespace)")
	if err := cmd.RegisterFlagCompletionFunc("budget", c.completeBudgets(1<<10)); err != nil {
		panic(err) // there is no such flag
	}
}

// name names the budget without a flag: by the argument, if there is one.
func (w *whose) name(args []string) error {
	if len(args) == 0 {
		return nil
	}
	budget := args[0]
	if w.tenant != "" || w.budget != "" && w.budget != budget {
		return usageError{fmt.Errorf("the budget %s, --tenant and --budget are mutually exclusive", budget)}
	}
	w.budget = budget
	return nil
}

// find is the tenant to ask about, and the budgets around it.
func (w *whose) find(ctx context.Context, c *cluster) (tenant string, budgets tree, err error) {
	if w.tenant != "" && w.budget != "" {
		return "", tree{}, usageError{errors.New("--tenant and --budget are mutually exclusive")}
	}
	namespace, err := c.namespace()
	if err != nil {
		return "", tree{}, err
	}
	budgets, err = c.tree(ctx, namespace)
	if w.tenant != "" {
		if err != nil {
			budgets.partial = err // the ledger can answer without the cluster
		}
		return w.tenant, budgets, nil
	}
	if err != nil {
		return "", tree{}, err
	}
	var own []v1alpha1.TenantBudget
	for _, b := range budgets.budgets {
		if b.Namespace == namespace {
			own = append(own, b)
		}
	}
	budget, err := pick(own, namespace, w.budget)
	return budget.Spec.Tenant, budgets, err
}

// candidates are the tenants that may have made a call, likeliest first: the one that is named
// or, without one, those of the namespace before all others.
func (w *whose) candidates(ctx context.Context, c *cluster) (tenants []string, budgets tree, err error) {
	if w.tenant != "" || w.budget != "" {
		tenant, budgets, err := w.find(ctx, c)
		return []string{tenant}, budgets, err
	}
	namespace, err := c.namespace()
	if err != nil {
		return nil, tree{}, err
	}
	if budgets, err = c.tree(ctx, namespace); err != nil {
		return nil, tree{}, err
	}
	var others []string
	for _, b := range budgets.budgets {
		if b.Namespace == namespace {
			tenants = append(tenants, b.Spec.Tenant)
		} else {
			others = append(others, b.Spec.Tenant)
		}
	}
	if tenants = append(tenants, others...); len(tenants) == 0 {
		return nil, tree{}, errors.New("you may read no TenantBudget: name the tenant of the call with --tenant")
	}
	return tenants, budgets, nil
}

// ancestorsOf are the tenants above a tenant, as far as can be seen.
func (t tree) ancestorsOf(tenant string) []string {
	for _, budget := range t.budgets {
		if budget.Spec.Tenant == tenant {
			return history.AncestorsOf(budget, t.budgets)
		}
	}
	return nil
}

// zoneOf is the time zone of a tenant's budget; empty if that is not known.
func (t tree) zoneOf(tenant string) string {
	for _, b := range t.budgets {
		if b.Spec.Tenant == tenant {
			return b.Spec.TimeZone
		}
	}
	return ""
}
