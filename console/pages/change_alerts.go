package pages

import (
	"fmt"
	"strings"

	"github.com/bursar-dev/bursar/console/api"
)

// alertFields are the fields for the recipients of alerts.
type alertFields struct {
	Email   input
	Filters []*filterFields
}

// filterFields are the fields of a filter, whose recipients are not
// told of everything.
type filterFields struct {
	rowFields
	Recipients, Limits, Severity input
	filter                       api.AlertFilter
}

func (q *request) filterRow(row rowFields, filter api.AlertFilter) *filterFields {
	row.Title = strings.Join(filter.Recipients, ", ")
	if row.Title == "" {
		row.Title = q.l.say("Recipients who get fewer alerts")
	}
	name := func(of string) string { return at("filter", row.Row, of) }
	f := &filterFields{rowFields: row, filter: filter}
	f.Recipients = linesField(name("recipients"), q.l.say("Recipients"), filter.Recipients)
	f.Recipients.Hint = q.l.say("One per line: addresses from above, or Webhook, Slack, Teams or PagerDuty.")
	f.Limits = linesField(name("limits"), q.l.say("Only of the limits"), filter.Limits)
	f.Limits.Hint = q.l.say("One per line. Empty: all.")
	f.Severity = field(name("severity"), "select", q.l.say("Of what"), "")
	f.Severity.Options = choose([]pick{
		{Name: q.l.say("Of every rung"), Value: "Warning"}, {Name: q.l.say("Only when calls are stopped or a limit is used up"), Value: "Critical"},
	}, filter.MinSeverity)
	return f
}

// editAlerts edits the e-mail recipients of alerts.
func (p *Pages) editAlerts(q *request, isEntered bool) (*editor, error) {
	budget := q.budget
	if budget == nil {
		return nil, missingPage()
	}
	alerts, rows := &api.WrittenAlerts{Email: []string{}}, &alertFields{}
	if there := budget.Written.Alerts; there != nil && !isEntered {
		alerts = there
		for i, filter := range there.Filters {
			rows.Filters = append(rows.Filters, q.filterRow(rowFields{Kind: "filter", Row: i}, filter))
		}
	}
	sent := rows.Filters
	if isEntered {
		alerts.Email = append(alerts.Email, linesOf(q.field("email"))...)
		for i := range q.rowsOf() {
			row, entered := q.row("filter", i), func(of string) string { return q.field(at("filter", i, of)) }
			row.IsNew = row.IsNew || entered("severity") == ""
			filter := api.AlertFilter{Recipients: append([]string{}, linesOf(entered("recipients"))...), Limits: linesOf(entered("limits")), MinSeverity: entered("severity")}
			fields := q.filterRow(row, filter)
			if rows.Filters = append(rows.Filters, fields); !row.IsRemoved {
				sent, alerts.Filters = append(sent, fields), append(alerts.Filters, filter)
			}
		}
	}
	rows.Email = linesField("email", q.l.say("Addresses"), alerts.Email)
	rows.Email.Hint = q.l.say("One per line. Empty: nobody is told by e-mail.")
	e := p.ofBudget(q, budget, "alerts", &api.BudgetSpec{Alerts: alerts})
	e.title, e.path, e.rows, e.preview = q.l.say("Alerts of %s", budget.Tenant), "/budgets/alerts", rows, nil
	e.lines = func() []string {
		lines := append([]string{}, alerts.Email...)
		for _, f := range alerts.Filters {
			lines = append(lines, strings.Join(append(append(f.Recipients[:len(f.Recipients):len(f.Recipients)], f.Limits...), f.MinSeverity), ", "))
		}
		return lines
	}
	e.fields = func() map[string]*input {
		all := map[string]*input{"body.alerts.email": &rows.Email}
		for i, f := range sent {
			of := fmt.Sprintf("body.alerts.filters[%d]", i)
			all[of], all[of+".limits"], all[of+".minSeverity"] = &f.Recipients, &f.Limits, &f.Severity
		}
		return all
	}
	return e, nil
}
