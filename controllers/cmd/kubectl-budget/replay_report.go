package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// rowsShown is how many periods and users a table shows. JSON and YAML have all.
const rowsShown = 20

// write writes the report for people.
func (r replayReport) write(w io.Writer) {
	of := "TenantBudget " + r.Budget
	if r.Policy != "" {
		of = "RateLimitPolicy " + r.Policy + ", " + of
	}
	fmt.Fprintf(w, "%s, tenant %s, from %s to %s\n\n", of, r.Tenant, moment(r.From), moment(r.To))
	refused := "would be refused"
	if r.Shadow {
		refused += ", without Shadow"
	}
	shade := green
	if r.Refused.Calls > 0 {
		shade = red
	}
	summary := table{
		cells("", "CALLS", "COST"), r.Admitted.row("were made"), r.Refused.row("  of these " + refused),
		r.WereRefused.row("money refused (cost estimated)"), r.Fitting.row("  of these would be admitted"),
	}
	summary[2][1].color = shade
	summary.write(w)
	fmt.Fprintln(w)
	r.limits().write(w)
	if len(r.Periods) > 0 {
		fmt.Fprintln(w)
		some(r.periods()).write(w)
	}
	if len(r.Users) > 0 {
		fmt.Fprintln(w)
		some(r.users()).write(w)
	}
	writeUnknown(w, r.Unknown)
}

func (t tally) row(what string) []cell { return cells(what, fmt.Sprint(t.Calls), t.Cost) }

func (r replayReport) limits() table {
	all := table{cells("LIMIT", "PER", "SIZE", "REFUSED", "COST", "REASONS", "FIRST TRIPPED", "FIRST EXHAUSTED")}
	for _, l := range r.Limits {
		var reasons []string
		for _, reason := range slices.Sorted(maps.Keys(l.Reasons)) {
			reasons = append(reasons, fmt.Sprintf("%s %d", reason, l.Reasons[reason]))
		}
		row := cells(l.Limit, orDash(l.Per), orDash(l.Size), fmt.Sprint(l.Refused.Calls), l.Refused.Cost,
			orDash(strings.Join(reasons, ", ")), at(l.TrippedAt), at(l.ExhaustedAt))
		if l.Refused.Calls > 0 {
			row[3].color = red
		}
		all = append(all, row)
	}
	return all
}

func (r replayReport) periods() table {
	all := table{cells("PERIOD OF", "USER", "FROM", "TO", "SPENT", "TRIPPED", "EXHAUSTED", "REFUSED", "COST")}
	for _, p := range r.Periods {
		all = append(all, cells(p.Limit, orDash(p.User+p.Group+p.APIKey), moment(p.From), moment(p.To), p.Spent,
			at(p.TrippedAt), at(p.ExhaustedAt), fmt.Sprint(p.Refused.Calls), p.Refused.Cost))
	}
	return all
}

func (r replayReport) users() table {
	all := table{cells("USER", "TENANT", "MADE", "COST", "REFUSED", "COST")}
	for _, u := range r.Users {
		all = append(all, cells(u.User, u.Tenant, fmt.Sprint(u.Admitted.Calls), u.Admitted.Cost, fmt.Sprint(u.Refused.Calls), u.Refused.Cost))
	}
	return all
}

// some keeps the first rows of a table, and says how many more there are.
func some(t table) table {
	if more := len(t) - 1 - rowsShown; more > 0 {
		t = append(t[:1+rowsShown:1+rowsShown], cells(fmt.Sprintf("... and %d more: use -o json to see all", more)))
	}
	return t
}

func at(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return moment(*t)
}
