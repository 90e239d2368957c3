package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bursar-dev/bursar/history"
)

// selection are the flags that select calls.
type selection struct{ history.Filter }

func (s *selection) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&s.Users, "user", nil, "only calls of these users")
	flags.StringSliceVar(&s.Groups, "group", nil, "only calls of members of any of these groups")
	flags.StringToStringVar(&s.Labels, "labels", nil, "only calls of callers with these labels, such as cost-centre=4711")
	flags.StringSliceVar(&s.Tiers, "tier", nil, "only calls of these tiers")
	flags.StringSliceVar(&s.Models, "model", nil, "only calls of these models")
	flags.StringSliceVar(&s.Providers, "provider", nil, "only calls of these ModelProviders")
	flags.StringSliceVar(&s.Endpoints, "endpoint", nil, "only calls of these endpoints, such as /v1/chat/completions")
	flags.StringSliceVar(&s.Decisions, "decision", nil, "only calls with these decisions, such as Replaced")
	flags.StringSliceVar(&s.Outcomes, "outcome", nil, "only calls with these outcomes or, of refused calls, reasons")
	flags.StringSliceVar(&s.Credentials, "credential", nil, "only calls with these APIKeys, namespace/name")
}

// usageOptions are the flags of usage.
type usageOptions struct {
	stretch
	selection
	whose
	by      []string
	label   string
	limit   int
	format  string
	ledger  database
	console console
}

func newUsage(c *cluster) *cobra.Command {
	var o usageOptions
	cmd := &cobra.Command{
		Use:   "usage [BUDGET]",
		Short: "Add up what a tenant has used: calls, tokens, cost, refused calls and savings",
		Long: `Add up what a tenant has used, from the sums that the ledger keeps: fast, however many calls there
were, and exact to the nano-dollar. The last row is the total.

Days and months are those of the tenant's time zone, unless --time-zone names another. A call
counts when it was admitted, and is in the ledger once it has ended. A row of a group is about
all calls of callers who are in exactly these groups, so that the rows add up to the total;
--group selects the calls of members of a group.

SAVED is how much more calls would have cost with the models that were asked for, and the most
that calls answered from the cache could have cost.`,
		Example: `  kubectl budget usage -n acme --by user --month 2026-10
  kubectl budget usage -n acme --by day,model --from 2026-10-05 -o csv > october.csv
  kubectl budget usage -n acme --by label --label cost-centre`,
		Args:              between(0, 1, "at most one budget"),
		ValidArgsFunction: c.completeBudgets(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.name(args); err != nil {
				return err
			}
			r, err := o.run(cmd.Context(), c, time.Now())
			if err != nil {
				return err
			}
			return r.print(cmd.OutOrStdout(), o.format)
		},
	}
	o.whose.addFlags(cmd, c)
	o.stretch.addFlags(cmd, "", " (default: the tenant's)")
	o.selection.addFlags(cmd)
	o.ledger.addFlag(cmd)
	o.console.addFlags(cmd)
	cmd.Flags().StringSliceVar(&o.by, "by", []string{string(history.ByDay)}, "what to group by, one or two, separated by a comma: "+strings.Join(usageDimensions(), ", "))
	cmd.Flags().StringVar(&o.label, "label", "", "name of the label to group by, with --by label")
	cmd.Flags().IntVar(&o.limit, "limit", history.DefaultRows, "how many rows to show, those of the greatest cost; the last but one is the sum of all others")
	addOutput(cmd, &o.format, formatTable, formatCSV, formatJSON)
	completeWith(cmd, "by", usageDimensions())
	return cmd
}

// usageDimensions are what the usage of one tenant is grouped by.
func usageDimensions() (names []string) {
	for _, d := range history.UsageDimensions() {
		if d != history.ByTenant {
			names = append(names, string(d))
		}
	}
	return names
}

// run reads what the options ask for.
func (o *usageOptions) run(ctx context.Context, c *cluster, now time.Time) (*usageReport, error) {
	query := history.UsageQuery{Label: o.label, Where: o.Filter, Limit: o.limit}
	for _, name := range o.by {
		if !slices.Contains(usageDimensions(), name) {
			return nil, usageError{fmt.Errorf("--by %s: must be one or two of %s", name, strings.Join(usageDimensions(), ", "))}
		}
		query.By = append(query.By, history.Dimension(name))
	}
	if o.console.isNamed(o.ledger) {
		return o.ask(ctx, c)
	}
	reader, closeIt, err := o.ledger.open(ctx)
	if err != nil {
		return nil, err
	}
	defer closeIt()
	tenant, budgets, err := o.find(ctx, c)
	if err != nil {
		return nil, err
	}
	o.inZone = cmp.Or(o.inZone, budgets.zoneOf(tenant), "UTC")
	if query.Zone, err = o.zone(); err != nil {
		return nil, err
	}
	if query.From, query.To, err = o.span(now.In(query.Zone), query.Zone); err != nil {
		return nil, err
	}
	usage, err := reader.Usage(ctx, history.As{Tenant: tenant, Admin: true}, query)
	if err != nil {
		return nil, asUsageError(err)
	}
	return newUsageReport(tenant, query, usage), nil
}

// ask gets the usage from a console.
func (o *usageOptions) ask(ctx context.Context, c *cluster) (*usageReport, error) {
	client, err := o.console.open()
	if err != nil {
		return nil, err
	}
	about, err := o.about(ctx, c)
	if err != nil {
		return nil, err
	}
	parameters, err := o.parameters(about)
	if err != nil {
		return nil, err
	}
	var answer answeredUsage
	if err := client.get(ctx, "/usage", parameters, &answer); err != nil {
		return nil, err
	}
	return answer.report()
}

// usageReport is what a tenant has used.
type usageReport struct {
	Tenant string `json:"tenant"`
	// From and To bound when the calls were admitted: from From on and before To.
	From     time.Time  `json:"from"`
	To       time.Time  `json:"to"`
	TimeZone string     `json:"timeZone"`
	By       []string   `json:"by"`
	Rows     []usageRow `json:"rows"`
	// Others are all rows beyond the limit, OtherRows of them.
	Others    *usageRow `json:"others,omitempty"`
	OtherRows int64     `json:"otherRows,omitempty"`
	// Total is the sum of the rows and of the others.
	Total usageRow `json:"total"`
}

// usageRow is what calls with the same values used.
type usageRow struct {
	Values           []string       `json:"values,omitempty"`
	Calls            int64          `json:"calls"`
	Refused          int64          `json:"refused"`
	Tokens           history.Tokens `json:"tokens"`
	Cost             string         `json:"costUSD"`
	Held             string         `json:"heldUSD"`
	Estimated        string         `json:"estimatedUSD"`
	SavedByCache     string         `json:"savedByCacheUSD"`
	SavedByDowngrade string         `json:"savedByDowngradeUSD"`
	SavedByFallback  string         `json:"savedByFallbackUSD"`
	of               history.Sums
}

func newUsageReport(tenant string, query history.UsageQuery, usage history.Usage) *usageReport {
	r := &usageReport{
		Tenant: tenant, From: query.From, To: query.To, TimeZone: query.Zone.String(), Rows: []usageRow{},
		Total: newUsageRow(nil, usage.Total), OtherRows: usage.OtherRows,
	}
	for _, d := range query.By {
		r.By = append(r.By, string(d))
	}
	for _, row := range usage.Rows {
		r.Rows = append(r.Rows, newUsageRow(row.Values, row.Sums))
	}
	if usage.OtherRows > 0 {
		others := newUsageRow(nil, usage.Others)
		r.Others = &others
	}
	return r
}

func newUsageRow(values []string, s history.Sums) usageRow {
	return usageRow{
		Values: values, Calls: s.Calls, Refused: s.Refused, Tokens: s.Tokens, Cost: s.Cost.String(), Held: s.Held.String(),
		Estimated: s.Estimated.String(), SavedByCache: s.SavedByCache.String(), SavedByDowngrade: s.SavedByDowngrade.String(),
		SavedByFallback: s.SavedByFallback.String(), of: s,
	}
}

func (r *usageReport) print(w io.Writer, format string) error {
	switch format {
	case formatJSON:
		return writeObject(w, format, r)
	case formatCSV:
		return r.csv(w)
	}
	fmt.Fprintf(w, "Usage of tenant %s from %s to %s\n\n", r.Tenant, inZone(r.From, r.TimeZone), inZone(r.To, r.TimeZone))
	r.table().write(w)
	return nil
}

// endings are the last rows and their names.
func (r *usageReport) endings() (names []string, rows []usageRow) {
	if r.Others != nil {
		names, rows = append(names, fmt.Sprintf("%d OTHERS", r.OtherRows)), append(rows, *r.Others)
	}
	return append(names, "TOTAL"), append(rows, r.Total)
}

func (r *usageReport) table() table {
	var header []string
	for _, by := range r.By {
		header = append(header, strings.ToUpper(by))
	}
	all := table{cells(append(header, "CALLS", "REFUSED", "INPUT TOKENS", "OUTPUT TOKENS", "COST (USD)", "ESTIMATED", "SAVED")...)}
	for _, row := range r.Rows {
		var values []string
		for _, value := range row.Values {
			values = append(values, orDash(value))
		}
		all = append(all, cells(append(values, row.figures()...)...))
	}
	names, rows := r.endings()
	for i, name := range names {
		values := make([]string, len(r.By))
		values[0] = name
		ending := cells(append(values, rows[i].figures()...)...)
		for j := range ending {
			ending[j].color = bold
		}
		all = append(all, ending)
	}
	return all
}

func (r usageRow) figures() []string {
	t := r.Tokens
	return []string{
		fmt.Sprint(r.Calls), fmt.Sprint(r.Refused), fmt.Sprint(t.Input + t.CachedInput + t.CacheWrite5m + t.CacheWrite1h + t.AudioInput + t.CachedAudioInput),
		fmt.Sprint(t.Output + t.AudioOutput + t.ImageOutput), r.Cost, r.Estimated, (r.of.SavedByCache + r.of.SavedByDowngrade + r.of.SavedByFallback).String(),
	}
}

// csv writes the report as in RFC 4180, with a header and the total as the last row.
func (r *usageReport) csv(w io.Writer) error {
	rows := [][]string{slices.Concat(r.By, history.SumNames())}
	for _, row := range r.Rows {
		rows = append(rows, slices.Concat(row.Values, row.of.Texts()))
	}
	names, endings := r.endings()
	for i, name := range names {
		values := make([]string, len(r.By))
		values[0] = name
		rows = append(rows, append(values, endings[i].of.Texts()...))
	}
	return csv.NewWriter(w).WriteAll(rows)
}
