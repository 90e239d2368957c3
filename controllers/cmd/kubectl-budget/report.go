package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/history"
)

const formatCSV = "csv"

// spendOptions are the flags of report.
type spendOptions struct {
	stretch
	allTenants bool
	tenant     string
	by         []string
	invoices   []string
	format     string
	ledger     database
}

// stretch are the flags that say which days are reported, and in which zone.
type stretch struct{ month, from, to, inZone string }

func (s *stretch) addFlags(cmd *cobra.Command, zone, whichZone string) {
	flags := cmd.Flags()
	flags.StringVar(&s.month, "month", "", "the month, such as 2026-10 (default: the present one)")
	flags.StringVar(&s.from, "from", "", "the first day, such as 2026-10-01, instead of --month")
	flags.StringVar(&s.to, "to", "", "the last day, such as 2026-12-31 (default: today)")
	flags.StringVar(&s.inZone, "time-zone", zone, "IANA name of the zone that days and months are of"+whichZone)
}

// zone is the zone that is named.
func (s *stretch) zone() (*time.Location, error) {
	zone, err := time.LoadLocation(s.inZone)
	if err != nil || s.inZone == "" || s.inZone == "Local" {
		return nil, usageError{fmt.Errorf(`--time-zone %s: use an IANA name such as "America/Argentina/Buenos_Aires" or "UTC"`, s.inZone)}
	}
	return zone, nil
}

func newReport(c *cluster) *cobra.Command {
	var o spendOptions
	cmd := &cobra.Command{
		Use:   "report [BUDGET...]",
		Short: "Add up what calls have cost, by tenant, user, model and so on",
		Long: `Add up what calls have cost, from the ledger, exact to the nano-dollar: of a namespace's
TenantBudgets and those below them, or of all tenants with -A. The last row is the total.

A call counts in the month in which it was admitted, by UTC unless --time-zone says
otherwise, and is in the ledger once it has ended. ESTIMATED is the part of the cost that
is not what the provider reported: a bound on calls that were cut off or whose usage is not
believed, or a guess for models without a price.

By tenant, the cost is also shown in the currency that the tenant's limits are written in,
at the rate that was declared last.

-A needs no cluster, and a login that is a member of bursar_finance.

With --invoice, the report shows what providers billed beside what the ledger has, and the
difference. An invoice is PROVIDER=AMOUNT, with the name of a ModelProvider, or a CSV file
with the columns provider, amount and, if it has an amount for each model, model.`,
		Example: `  kubectl budget report --by user,model --month 2026-10 -n acme
  kubectl budget report -A --by tenant,model --month 2026-10 -o csv > october.csv
  kubectl budget report -A --month 2026-10 --invoice openai=1234.56 --invoice anthropic.csv`,
		ValidArgsFunction: c.completeBudgets(1 << 10),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := runReport(cmd.Context(), c, o, args)
			if err != nil {
				return err
			}
			return r.print(cmd.OutOrStdout(), o.format)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.allTenants, "all-tenants", "A", false, "all tenants of the ledger")
	flags.StringVar(&o.tenant, "tenant", "", "one tenant, without a cluster")
	flags.StringSliceVar(&o.by, "by", []string{string(history.ByTenant)}, "what to group by, separated by commas: "+strings.Join(dimensions(), ", "))
	o.addFlags(cmd, "UTC", "")
	flags.StringArrayVar(&o.invoices, "invoice", nil, "an invoice to compare with: PROVIDER=AMOUNT or a CSV file; may be repeated")
	o.ledger.addFlag(cmd)
	addOutput(cmd, &o.format, formatTable, formatCSV, formatJSON)
	completeWith(cmd, "by", dimensions())
	return cmd
}

func dimensions() []string {
	var names []string
	for _, d := range history.Dimensions() {
		names = append(names, string(d))
	}
	return names
}

// printable is a report that can be printed in each format.
type printable interface {
	print(w io.Writer, format string) error
}

// runReport reads what the options ask for.
func runReport(ctx context.Context, c *cluster, o spendOptions, budgets []string) (printable, error) {
	query, err := o.query(time.Now())
	if err != nil {
		return nil, err
	}
	invoices, err := readInvoices(o.invoices)
	if err != nil {
		return nil, err
	}
	reader, closeIt, err := o.ledger.open(ctx)
	if err != nil {
		return nil, err
	}
	defer closeIt()
	if len(o.invoices) > 0 {
		return compareInvoices(ctx, reader, query, invoices)
	}
	if o.allTenants {
		spent, err := reader.SpendOfAll(ctx, query)
		if err != nil {
			return nil, err
		}
		currencies, err := reader.CurrenciesOfAll(ctx)
		return newSpendReport(query, spent, nil, currencies), err
	}
	tenants, unknown, err := o.tenants(ctx, c, budgets)
	if err != nil {
		return nil, err
	}
	spent, err := reader.Spend(ctx, query, tenants...)
	if err != nil {
		return nil, err
	}
	currencies, err := reader.Currencies(ctx, tenants...)
	r := newSpendReport(query, spent, tenants, currencies)
	r.Unknown = unknown
	return r, err
}

// query says which calls are added up, and how.
func (o spendOptions) query(now time.Time) (query history.SpendQuery, err error) {
	switch {
	case o.allTenants && o.tenant != "":
		return query, usageError{errors.New("-A and --tenant are mutually exclusive")}
	case len(o.invoices) > 0 && !o.allTenants:
		return query, usageError{errors.New("--invoice requires -A: a provider bills the calls of all tenants together")}
	}
	if query.Zone, err = o.zone(); err != nil {
		return query, err
	}
	for _, name := range o.by {
		if !slices.Contains(dimensions(), name) {
			return query, usageError{fmt.Errorf("--by %s: must be some of %s", name, strings.Join(dimensions(), ", "))}
		}
		if d := history.Dimension(name); !slices.Contains(query.By, d) {
			query.By = append(query.By, d)
		}
	}
	query.From, query.To, err = o.span(now.In(query.Zone), query.Zone)
	return query, err
}

// span is the month, or the days, that the flags name.
func (s stretch) span(now time.Time, zone *time.Location) (from, to time.Time, err error) {
	const day, month = time.DateOnly, "2006-01"
	if s.from == "" && s.to == "" {
		of := now
		if s.month != "" {
			if of, err = time.Parse(month, s.month); err != nil {
				return from, to, usageError{fmt.Errorf("--month %s: must be a year and a month, such as 2026-10", s.month)}
			}
		}
		return period.StartOf(of.Year(), of.Month(), 1, zone), period.StartOf(of.Year(), of.Month()+1, 1, zone), nil
	}
	if s.month != "" || s.from == "" {
		return from, to, usageError{errors.New("use --month, or --from and --to")}
	}
	first, err := time.Parse(day, s.from)
	if err != nil {
		return from, to, usageError{fmt.Errorf("--from %s: must be a day, such as 2026-10-01", s.from)}
	}
	last := now
	if s.to != "" {
		if last, err = time.Parse(day, s.to); err != nil {
			return from, to, usageError{fmt.Errorf("--to %s: must be a day, such as 2026-12-31", s.to)}
		}
	}
	from = period.StartOf(first.Year(), first.Month(), first.Day(), zone)
	to = period.StartOf(last.Year(), last.Month(), last.Day()+1, zone)
	if !from.Before(to) {
		return from, to, usageError{fmt.Errorf("--to %s is before --from %s", s.to, s.from)}
	}
	return from, to, nil
}

// tenants are those that are named and those below them, as far as they can be seen, and
// what is unknown about them.
func (o spendOptions) tenants(ctx context.Context, c *cluster, names []string) (tenants, unknown []string, err error) {
	if o.tenant != "" {
		if len(names) > 0 {
			return nil, nil, usageError{errors.New("budgets and --tenant are mutually exclusive")}
		}
		return []string{o.tenant}, nil, nil
	}
	namespace, err := c.namespace()
	if err != nil {
		return nil, nil, err
	}
	all, err := c.tree(ctx, namespace)
	if err != nil {
		return nil, nil, err
	}
	own, err := c.budgets(ctx, namespace, names...)
	if err != nil {
		return nil, nil, err
	}
	if len(own) == 0 {
		return nil, nil, fmt.Errorf("no TenantBudget found%s", in(namespace))
	}
	for _, budget := range own {
		for _, member := range history.Family(limiterv1.Tenant{Level: limiterv1.Level{Tenant: budget.Spec.Tenant}}, all.budgets) {
			if !slices.Contains(tenants, member.Name) {
				tenants = append(tenants, member.Name)
			}
		}
	}
	if all.partial != nil {
		unknown = []string{fmt.Sprintf("the spending of children in other namespaces: %v", all.partial)}
	}
	return tenants, unknown, nil
}
