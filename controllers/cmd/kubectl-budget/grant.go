package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

type grantOptions struct {
	name, limit, user, group, key, amount, reason, starts, expires, format string
	apply                                                                  bool
}

func newGrant(c *cluster) *cobra.Command {
	var o grantOptions
	cmd := &cobra.Command{
		Use:   "grant BUDGET --limit LIMIT --amount AMOUNT --expires WHEN --reason REASON",
		Short: "Increase a limit until a given time",
		Long: `Create a BudgetGrant, which increases a limit of a TenantBudget until it expires, and
print it as YAML, ready for Git. The cluster is not changed unless --apply is set.`,
		Example: `  kubectl budget grant acme --limit daily --amount 20.00 --expires 24h --reason "load test of release 12" > grant.yaml
  kubectl budget grant acme --limit each-user --user ana --amount 5.00 --expires 2027-01-31T00:00:00Z --reason "month-end report" --apply`,
		Args:              exactly(1, "the name of one TenantBudget"),
		ValidArgsFunction: c.completeBudgets(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runGrant(cmd, c, o, args[0])
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.name, "name", "", "name of the BudgetGrant (default: the budget's, the limit's and five random letters)")
	flags.StringVar(&o.limit, "limit", "", "name of the limit in the budget's spec.limits")
	flags.StringVar(&o.user, "user", "", "user who gets more, for a limit per User (default: every user)")
	flags.StringVar(&o.group, "group", "", "group that gets more, for a limit per Group (default: every group)")
	flags.StringVar(&o.key, "key", "", "name of the APIKey that gets more, for a limit per Key (default: every APIKey)")
	flags.StringVar(&o.amount, "amount", "", "amount to add in each of the limit's periods, in US dollars or, if the budget has a currency, in that")
	flags.StringVar(&o.reason, "reason", "", "reason, for the record")
	flags.StringVar(&o.starts, "starts", "", "start: a time, or a duration from now (default: now)")
	flags.StringVar(&o.expires, "expires", "", "end: a time such as 2027-01-31T00:00:00Z, or a duration from now, such as 24h or 7d")
	flags.BoolVar(&o.apply, "apply", false, "also create the BudgetGrant in the cluster")
	addOutput(cmd, &o.format, formatYAML, formatJSON)
	if err := cmd.RegisterFlagCompletionFunc("limit", c.completeLimits); err != nil {
		panic(err) // there is no such flag
	}
	return cmd
}

func runGrant(cmd *cobra.Command, c *cluster, o grantOptions, budget string) error {
	if o.limit == "" || o.amount == "" || o.expires == "" || strings.TrimSpace(o.reason) == "" {
		return usageError{errors.New("--limit, --amount, --expires and --reason are required")}
	}
	amount, err := money.Parse(o.amount)
	if err == nil && amount == 0 {
		err = errors.New("must be greater than 0")
	}
	if err != nil {
		return usageError{fmt.Errorf("--amount: %w", err)}
	}
	now := time.Now()
	expires, err := parseExpiry(o.expires, now)
	if err != nil {
		return err
	}
	starts, err := parseExpiry(o.starts, now)
	if err != nil {
		return err
	}
	if starts != nil && !starts.Before(expires) {
		return usageError{fmt.Errorf("--expires %s must be after --starts %s", moment(expires.Time), moment(starts.Time))}
	}
	namespace, err := c.namespace()
	if err != nil {
		return err
	}
	name := o.name
	if name == "" {
		name = fmt.Sprintf("%s-%s-%s", budget, o.limit, rand.String(5))
	}
	grant := &v1alpha1.BudgetGrant{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: v1alpha1.BudgetGrantSpec{
			BudgetRef: v1alpha1.BudgetRef{Name: budget}, Limit: o.limit, User: o.user,
			Group: v1alpha1.Group(o.group), APIKey: o.key, Amount: v1alpha1.Amount(o.amount),
			Reason: o.reason, StartsAt: starts, ExpiresAt: *expires,
		},
	}
	if o.apply {
		if err := create(cmd, c, grant.DeepCopy()); err != nil {
			return err
		}
	}
	return writeManifest(cmd.OutOrStdout(), o.format, "BudgetGrant", grant, grant.Spec)
}

// completeLimits completes the names of the limits of the budget that is named.
func (c *cluster) completeLimits(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	namespace, err := c.namespace()
	if err != nil || len(args) != 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	budgets, err := c.budgets(cmd.Context(), namespace, args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, limit := range budgets[0].Spec.Limits {
		names = append(names, limit.Name)
	}
	return starting(names, prefix), cobra.ShellCompDirectiveNoFileComp
}
