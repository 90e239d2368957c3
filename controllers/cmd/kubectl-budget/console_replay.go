package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// answeredTally is a number of calls, and what they cost.
type answeredTally struct {
	Calls int64
	Cost  amount
}

func (t answeredTally) tally() tally { return tally{t.Calls, t.Cost.Nanos.String()} }

// answeredPreview is the answer to a preview of a change.
type answeredPreview struct {
	Tenant   string
	Problem  *struct{ Code, Detail string }
	Warnings []string
	Replay   *struct {
		From, To                                time.Time
		Admitted, Refused, WereRefused, Fitting answeredTally
		Limits                                  []struct {
			Tenant, Limit, Per     string
			Refused                answeredTally
			TrippedAt, ExhaustedAt *time.Time
		}
		Users []struct {
			User              string
			Admitted, Refused answeredTally
		}
		NotLookedAt []string
		Below       *struct{ Refused answeredTally }
	}
}

// previews has a console preview the budgets and policies of a file: it replays a budget's limits and
// ladder, and the limits of each policy by itself, beside what is in force.
func (o *replayOptions) previews(cmd *cobra.Command, c *cluster, changed resources, length time.Duration) (reports []replayReport, err error) {
	const day = 24 * time.Hour
	if length%day != 0 || length > 30*day {
		return nil, usageError{fmt.Errorf("--since %s: a console replays 1 to 30 whole days, such as 7d", o.since)}
	}
	client, err := o.console.open()
	if err != nil {
		return nil, err
	}
	query := url.Values{"days": {strconv.Itoa(int(length / day))}}
	ask := func(budget, policy, path string, body any) error {
		name := cmp.Or(policy, budget)
		var answer answeredPreview
		if err := client.post(cmd.Context(), path+"/preview", query, body, &answer); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		answer.warn(cmd.ErrOrStderr(), name)
		if answer.Replay == nil {
			return fmt.Errorf("%s: its limits are not valid", name)
		}
		reports = append(reports, answer.report(budget, policy))
		return nil
	}
	for i := range changed.budgets {
		budget := &changed.budgets[i]
		for j := range budget.Spec.Limits {
			budget.Spec.Limits[j].Per = cmp.Or(budget.Spec.Limits[j].Per, v1alpha1.ScopeTenant) // as the CRD has it
		}
		body := map[string]any{"limits": budget.Spec.Limits, "ladder": budget.Spec.Ladder}
		if err := ask(nameOf(budget), "", "/budgets/"+url.PathEscape(budget.Spec.Tenant), body); err != nil {
			return nil, err
		}
	}
	for i := range changed.policies {
		policy := &changed.policies[i]
		tenant, err := changed.tenantOf(cmd.Context(), c, policy)
		if err != nil {
			return nil, err
		}
		path := "/budgets/" + url.PathEscape(tenant) + "/rates/" + url.PathEscape(policy.Name)
		if err := ask(policy.Namespace+"/"+policy.Spec.TargetRef.Name, nameOf(policy), path, map[string]any{"limits": policy.Spec.Limits}); err != nil {
			return nil, err
		}
	}
	return reports, nil
}

// tenantOf is the tenant of the budget that a policy names, which is in the file or in the cluster.
func (r resources) tenantOf(ctx context.Context, c *cluster, policy *v1alpha1.RateLimitPolicy) (string, error) {
	if policy.Spec.TargetRef == nil {
		return "", usageError{errors.New("RateLimitPolicy " + nameOf(policy) + " selects budgets by labels, which a console does not replay: ask the ledger")}
	}
	for i := range r.budgets {
		if b := &r.budgets[i]; b.Namespace == policy.Namespace && b.Name == policy.Spec.TargetRef.Name {
			return b.Spec.Tenant, nil
		}
	}
	budgets, err := c.budgets(ctx, policy.Namespace, policy.Spec.TargetRef.Name)
	if err != nil {
		return "", err
	}
	return budgets[0].Spec.Tenant, nil
}

// warn says what would happen if the change were made.
func (p answeredPreview) warn(w io.Writer, name string) {
	if p.Problem != nil {
		fmt.Fprintf(w, "you may not make this change of %s in the console: %s (%s)\n", name, p.Problem.Detail, p.Problem.Code)
	}
	for _, warning := range p.Warnings {
		fmt.Fprintf(w, "Warning: %s: %s\n", name, warning)
	}
}

// report is the replay of a preview as it is printed.
func (p answeredPreview) report(budget, policy string) replayReport {
	from := p.Replay
	r := replayReport{
		Budget: budget, Policy: policy, Tenant: p.Tenant, From: from.From, To: from.To, Admitted: from.Admitted.tally(), Refused: from.Refused.tally(),
		WereRefused: from.WereRefused.tally(), Fitting: from.Fitting.tally(),
		Limits: []limitReport{}, Periods: []periodReport{}, Users: []userReport{}, Unknown: from.NotLookedAt,
	}
	for _, l := range from.Limits {
		r.Limits = append(r.Limits, limitReport{Limit: l.Tenant + "/" + l.Limit, Per: l.Per, Refused: l.Refused.tally(), TrippedAt: l.TrippedAt, ExhaustedAt: l.ExhaustedAt})
	}
	for _, u := range from.Users {
		r.Users = append(r.Users, userReport{p.Tenant, u.User, u.Admitted.tally(), u.Refused.tally()})
	}
	if below := from.Below; below != nil {
		r.Unknown = append(r.Unknown, fmt.Sprintf("who the users of tenants below are, of whose calls %d would be refused", below.Refused.Calls))
	}
	return r
}
