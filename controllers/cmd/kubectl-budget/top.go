package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/history"
)

// refreshEvery is how often top refreshes on a terminal.
const refreshEvery = 2 * time.Second

// usersEvery is how often top asks the ledger again, on a terminal.
const usersEvery = 30 * time.Second

type topOptions struct {
	allNamespaces, once bool
	format              string
	ledger              database
}

func newTop(c *cluster) *cobra.Command {
	var o topOptions
	cmd := &cobra.Command{
		Use:   "top [BUDGET...]",
		Short: "Show the spending of each limit",
		Long: `Show what is spent and held of each limit of a namespace's TenantBudgets, when the limit
resets, and when it will be exhausted at the rate of the last minutes. The figures come
from the budgets' status. Amounts are in US dollars, or in the currency that AMOUNT names.
BREAKER is Open on the limit that has opened the breaker, or on all limits if it is forced
open or if a parent's breaker is open.

For a limit per User, Group or Key, the user, group or key that has used most is shown,
from the ledger, if ` + databaseVariable + ` is set; BREAKER is Open if calls of only this
one are refused.

On a terminal the view refreshes every two seconds, until Ctrl-C. Columns and rows that
do not fit are left out.`,
		Example: `  kubectl budget top -A
  kubectl budget top acme -n acme --once
  kubectl budget top -n acme -o json`,
		ValidArgsFunction: c.completeBudgets(1 << 10),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTop(cmd.Context(), cmd.OutOrStdout(), c, o, args)
		},
	}
	cmd.Flags().BoolVarP(&o.allNamespaces, "all-namespaces", "A", false, "show the budgets of all namespaces")
	cmd.Flags().BoolVar(&o.once, "once", false, "print once, even on a terminal")
	o.ledger.addFlag(cmd)
	addOutput(cmd, &o.format, formatTable, formatJSON, formatYAML)
	return cmd
}

func runTop(ctx context.Context, w io.Writer, c *cluster, o topOptions, names []string) error {
	namespace := ""
	if !o.allNamespaces {
		var err error
		if namespace, err = c.namespace(); err != nil {
			return err
		}
	}
	users, closeIt, err := o.ownerLimits(ctx)
	if err != nil {
		return err
	}
	defer closeIt()
	look := func() ([]usedLimit, error) {
		budgets, err := c.budgets(ctx, namespace, names...)
		if err != nil {
			return nil, err
		}
		most, err := users.of(ctx, budgets, time.Now())
		return usedLimits(budgets, most), err
	}
	if o.format == formatTable && !o.once && terminal(w) != nil {
		return watch(ctx, w, o, look)
	}
	limits, err := look()
	if err != nil {
		return err
	}
	if o.format != formatTable {
		return writeObject(w, o.format, map[string]any{"limits": limits})
	}
	if len(limits) == 0 {
		return fmt.Errorf("no TenantBudget found%s", in(namespace))
	}
	shown := topTable(limits, o.allNamespaces, colored(w), time.Now())
	if file := terminal(w); file != nil {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil {
			shown = shown.fit(width)
		}
	}
	shown.write(w)
	if !users.known() && slices.ContainsFunc(limits, func(l usedLimit) bool { return l.Per != "" }) {
		fmt.Fprintf(w, "\nLimits per User, Group or Key: set %s to see who has used most.\n", databaseVariable)
	}
	return nil
}

func in(namespace string) string {
	if namespace == "" {
		return ""
	}
	return " in namespace " + namespace + ": select another with -n, or all with -A"
}

// watch shows what look finds again and again, until ctx ends. It returns an error of the first
// look; later ones are shown, and the look is repeated.
func watch(ctx context.Context, w io.Writer, o topOptions, look func() ([]usedLimit, error)) error {
	const clear, home, clearRest = "\x1b[2J", "\x1b[H", "\x1b[J"
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	limits, err := look()
	if err != nil {
		return err
	}
	fmt.Fprint(w, clear)
	for {
		width, height, sizeErr := term.GetSize(int(terminal(w).Fd()))
		if sizeErr != nil {
			width, height = 80, 24
		}
		now := time.Now()
		lines := topTable(limits, o.allNamespaces, true, now).fit(width).lines(colored(w))
		head := "kubectl budget top, " + now.Format(time.TimeOnly) + ", until Ctrl-C"
		if err != nil {
			head = fmt.Sprintf("%s: %v", now.Format(time.TimeOnly), err)
		}
		lines = append([]string{clipped(head, width), ""}, lines...)
		if room := max(4, height-1); len(lines) > room {
			lines = append(lines[:room-1], fmt.Sprintf("... and %d more", len(lines)-room+1))
		}
		fmt.Fprint(w, home, strings.Join(lines, "\x1b[K\n"), "\x1b[K\n", clearRest)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		var again []usedLimit
		if again, err = look(); err == nil {
			limits = again
		} else if ctx.Err() != nil {
			return nil
		}
	}
}

// usedLimit is a limit, and how far it is used.
type usedLimit struct {
	Namespace string `json:"namespace"`
	Budget    string `json:"budget"`
	Tenant    string `json:"tenant"`
	Limit     string `json:"limit,omitempty"`
	// Per is User, Group or Key for a limit that counts each user, group or key. The figures are
	// then of the one that has used most of the limit, which User, Group or APIKey names. Per is
	// empty for a limit of the whole tenant.
	Per    string `json:"per,omitempty"`
	User   string `json:"user,omitempty"`
	Group  string `json:"group,omitempty"`
	APIKey string `json:"apiKey,omitempty"`
	// Amount includes what is granted, and Granted is that part of it.
	Amount  string `json:"amount,omitempty"`
	Granted string `json:"granted,omitempty"`
	Spent   string `json:"spent,omitempty"`
	Held    string `json:"held,omitempty"`
	Percent int64  `json:"percent"`
	// InCurrency has the amounts in the budget's currency; nil if that is US dollars.
	InCurrency *v1alpha1.FiguresInCurrency `json:"inCurrency,omitempty"`
	// Rung is the action of the highest rung reached.
	Rung string `json:"rung,omitempty"`
	// Breaker is the state of the tenant's breaker, and OpenedBy the limit that opened it, if
	// that is one of the tenant's own.
	Breaker  string `json:"breaker,omitempty"`
	OpenedBy string `json:"openedBy,omitempty"`
	// Ready is the condition's status; its message is in Problem unless it is True.
	Ready      string       `json:"ready"`
	Problem    string       `json:"problem,omitempty"`
	ResetsAt   *metav1.Time `json:"resetsAt,omitempty"`
	ExhaustsAt *metav1.Time `json:"exhaustsAt,omitempty"`
}

// usedLimits are the limits of budgets, and a row without a limit for a budget whose status has
// none. most are the users, groups and APIKeys that have used most of each limit that counts
// them.
func usedLimits(budgets []v1alpha1.TenantBudget, most map[ownerLimit]history.OwnerUsage) []usedLimit {
	all := []usedLimit{}
	for _, budget := range budgets {
		row := usedLimit{Namespace: budget.Namespace, Budget: budget.Name, Tenant: budget.Spec.Tenant, Ready: "Unknown"}
		if breaker := budget.Status.Breaker; breaker != nil {
			row.Breaker = cmp.Or(breaker.Summary, string(breaker.State))
			if breaker.Tenant == "" {
				row.OpenedBy = breaker.Limit
			}
		}
		for _, condition := range budget.Status.Conditions {
			if condition.Type == v1alpha1.ConditionReady {
				row.Ready = string(condition.Status)
				if condition.Status != metav1.ConditionTrue {
					row.Problem = condition.Message
				}
			}
		}
		if len(budget.Status.Limits) == 0 {
			all = append(all, row)
		}
		for _, limit := range budget.Status.Limits {
			row.Limit, row.Amount, row.Granted, row.Spent, row.Held = limit.Name, limit.Amount, limit.Granted, limit.Spent, limit.Held
			row.InCurrency, row.Percent, row.Rung = limit.InCurrency, limit.Percent, string(limit.Rung)
			row.ResetsAt, row.ExhaustsAt = limit.ResetsAt.DeepCopy(), limit.ExhaustsAt
			all = append(all, row)
		}
		all = append(all, ownersOf(budget, row, most)...)
	}
	slices.SortStableFunc(all, func(a, b usedLimit) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Budget, b.Budget))
	})
	return all
}

// isOpen is whether the tenant's breaker is open.
func (l usedLimit) isOpen() bool { return strings.HasPrefix(l.Breaker, string(v1alpha1.BreakerOpen)) }

// breakerAt is what to show of the breaker beside a limit. If a limit of the tenant has opened
// the breaker, nothing is shown beside the other limits.
func (l usedLimit) breakerAt() string {
	switch {
	case l.Per != "" && l.Rung == string(v1alpha1.ActionTrip) && !strings.HasPrefix(l.Breaker, string(v1alpha1.BreakerClosed)+" ("):
		return string(v1alpha1.BreakerOpen) // for the user, group or key that is shown
	case l.Per != "" || l.isOpen() && l.OpenedBy != "" && l.OpenedBy != l.Limit:
		return "-"
	}
	return orDash(l.Breaker)
}

// name is the limit, and the user, group or APIKey whose figures are shown.
func (l usedLimit) name() string {
	if owner := l.User + l.Group + l.APIKey; owner != "" {
		return l.Limit + ": " + owner
	}
	return orDash(l.Limit)
}

// topTable is the limits as a table, with bars where they can be seen.
func topTable(limits []usedLimit, namespaces, bars bool, now time.Time) table {
	header := cells("BUDGET", "LIMIT", "SPENT", "HELD", "AMOUNT", "USED")
	if bars {
		header = append(header, cell{})
	}
	header = append(header, cells("BREAKER", "RESETS", "EXHAUSTS", "READY")...)
	if namespaces {
		header = append(cells("NAMESPACE"), header...)
	}
	all := table{header}
	for _, l := range limits {
		spent, held, amount := l.figures()
		row := cells(l.Budget, l.name(), orDash(spent), orDash(held), orDash(amount))
		used, shade := "-", usedColor(l)
		if l.Limit != "" && l.Spent != "" {
			used = fmt.Sprintf("%d%%", l.Percent)
		}
		row = append(row, cell{used, shade})
		if bars {
			row = append(row, cell{bar(l), shade})
		}
		breaker := cell{text: l.breakerAt()}
		if strings.HasPrefix(breaker.text, string(v1alpha1.BreakerOpen)) {
			breaker.color = red
		}
		ready := cell{text: l.Ready}
		if l.Ready != string(metav1.ConditionTrue) {
			ready = cell{l.Ready + " " + l.Problem, yellow}
		}
		row = append(row, breaker, cell{text: until(l.ResetsAt, now)}, cell{text: exhausts(l, now)}, ready)
		if namespaces {
			row = append(cells(l.Namespace), row...)
		}
		all = append(all, row)
	}
	return all
}

func orDash(text string) string { return cmp.Or(text, "-") }

// usedColor warns from the first rung on, and when nothing is left.
func usedColor(l usedLimit) color {
	switch {
	case l.Limit == "", l.Spent == "":
		return plain
	case l.Rung == string(v1alpha1.ActionTrip) || l.Percent >= 100:
		return red
	case l.Rung != "":
		return yellow
	}
	return green
}

const barWidth = 20

// bar is how much is spent of a limit, as a bar.
func bar(l usedLimit) string {
	if l.Limit == "" || l.Spent == "" {
		return ""
	}
	full := int(min(max(l.Percent, 0), 100)) * barWidth / 100
	return strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
}

func until(t *metav1.Time, now time.Time) string {
	switch {
	case t == nil:
		return "-"
	case !t.After(now):
		return "now"
	}
	return "in " + duration.HumanDuration(t.Sub(now))
}

// exhausts is when the limit is exhausted at the rate of the last minutes, unless nothing is
// being spent. A forecast whose moment has passed was too early.
func exhausts(l usedLimit, now time.Time) string {
	switch {
	case l.Limit != "" && l.Percent >= 100:
		return "exhausted"
	case l.ExhaustsAt != nil && l.isOpen():
		return "breaker open"
	case l.ExhaustsAt != nil && l.ExhaustsAt.Sub(now) < time.Second:
		return "soon"
	}
	return until(l.ExhaustsAt, now)
}
