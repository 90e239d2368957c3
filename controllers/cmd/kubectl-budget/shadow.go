package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/history"
)

type shadowOptions struct {
	budget        string
	since, format string
	exitCode      bool
	ledger        database
}

func newShadow(c *cluster) *cobra.Command {
	var o shadowOptions
	cmd := &cobra.Command{
		Use:   "shadow [BUDGET]",
		Short: "Tell whether a budget in Shadow is ready to be enforced",
		Long: `Tell whether a TenantBudget in Shadow is ready for enforcement: Enforce: replay the calls of
the last days under its present limits and the RateLimitPolicies that apply to it, and show
which would have been refused, by limit and by user. Beside that, it counts the calls that
Shadow admitted then, whose answers had the header x-bursar-would-refuse; those were
decided under the limits of that time.

What is unknown is assumed in favour of the calls, as replay --help says.`,
		Example: `  kubectl budget shadow acme -n acme
  kubectl budget shadow -n acme --since 30d -o json
  kubectl budget shadow -n acme --exit-code && kubectl -n acme patch tenantbudget acme --type merge -p '{"spec":{"enforcement":"Enforce"}}'`,
		Args:              between(0, 1, "a budget if the namespace has several"),
		ValidArgsFunction: c.completeBudgets(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.budget = args[0]
			}
			return runShadow(cmd, c, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.since, "since", "7d", "how far back to start: a duration such as 12h, 7d or 2w")
	flags.BoolVar(&o.exitCode, "exit-code", false, "exit with code 3 if the budget is not ready")
	o.ledger.addFlag(cmd)
	addOutput(cmd, &o.format, formatTable, formatJSON, formatYAML)
	return cmd
}

// readiness is whether a budget in Shadow is ready to be enforced, and why.
type readiness struct {
	Ready   bool   `json:"ready"`
	Verdict string `json:"verdict"`
	// Shadowed are the calls that were admitted only because a budget was in Shadow.
	Shadowed tally `json:"shadowed"`
	// Enforced is the replay of the budget as if it were enforced.
	Enforced replayReport `json:"enforced"`
}

func runShadow(cmd *cobra.Command, c *cluster, o shadowOptions) error {
	length, err := parseLength(o.since)
	if err != nil {
		return usageError{fmt.Errorf("--since: %w", err)}
	}
	ctx := cmd.Context()
	namespace, err := c.namespace()
	if err != nil {
		return err
	}
	own, err := c.budgets(ctx, namespace)
	if err != nil {
		return err
	}
	budget, err := pick(own, namespace, o.budget)
	if err != nil {
		return err
	}
	if budget.Spec.Enforcement != v1alpha1.EnforcementShadow {
		return fmt.Errorf("TenantBudget %s/%s is not in Shadow, it is enforced: use replay to try other limits", budget.Namespace, budget.Name)
	}
	reader, closeIt, err := o.ledger.open(ctx)
	if err != nil {
		return err
	}
	defer closeIt()
	budget.Spec.Enforcement = v1alpha1.EnforcementEnforce
	to := time.Now().UTC().Truncate(time.Millisecond)
	from := to.Add(-length)
	reports, err := replayAll(ctx, c, reader, resources{budgets: []v1alpha1.TenantBudget{budget}}, namespace, from, to)
	if err != nil {
		return err
	}
	shadowed, err := reader.Shadowed(ctx, budget.Spec.Tenant, from, to)
	if err != nil {
		return err
	}
	found := readinessOf(reports, budget, shadowed, o.since)
	err = writeFound(cmd.OutOrStdout(), o.format, found)
	if err == nil && o.exitCode && !found.Ready {
		return errRefuses
	}
	return err
}

// readinessOf judges by the budget's own replay, not by those of its children.
func readinessOf(reports []replayReport, budget v1alpha1.TenantBudget, shadowed history.Tally, since string) readiness {
	found := readiness{Shadowed: tally{shadowed.Calls, shadowed.Cost.String()}}
	for _, r := range reports {
		if r.Tenant == budget.Spec.Tenant {
			found.Enforced = r
		}
	}
	r := found.Enforced
	switch {
	case r.Admitted.Calls == 0:
		found.Verdict = fmt.Sprintf("unknown: no call was made in the last %s", since)
	case r.Refused.Calls > 0:
		found.Verdict = fmt.Sprintf("not ready: of %d calls in the last %s, %d would have been refused, which cost %s USD",
			r.Admitted.Calls, since, r.Refused.Calls, r.Refused.Cost)
	default:
		found.Ready = true
		found.Verdict = fmt.Sprintf("ready: none of the %d calls in the last %s would have been refused", r.Admitted.Calls, since)
	}
	return found
}

// write writes it for people: the verdict, then the evidence.
func (r readiness) write(w io.Writer) {
	shade := yellow
	if r.Ready {
		shade = green
	}
	table{{{"VERDICT", bold}, {r.Verdict, shade}}}.write(w)
	fmt.Fprintf(w, "\nShadow admitted %d calls of the tenant in that time that a limit of that time would have refused.\n\n", r.Shadowed.Calls)
	if r.Enforced.Admitted.Calls > 0 {
		r.Enforced.write(w)
	}
}
