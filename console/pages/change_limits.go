package pages

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bursar-dev/bursar/console/api"
)

// selectionFields say which calls count against a limit.
type selectionFields struct {
	Tiers, Models, Groups, Labels input
	// IsOpen is whether something is entered in them.
	IsOpen bool
}

// selectionOf are the fields of a selection, in a row of a form.
func (q *request) selectionOf(row int, s api.Selection) selectionFields {
	var labels []string
	for _, name := range slices.Sorted(maps.Keys(s.Labels)) {
		labels = append(labels, name+"="+s.Labels[name])
	}
	f := selectionFields{
		Tiers: linesField(at("limit", row, "tiers"), q.l.say("Tiers"), s.Tiers), Models: linesField(at("limit", row, "models"), q.l.say("Models"), s.Models),
		Groups: linesField(at("limit", row, "groups"), q.l.say("Groups"), s.Groups), Labels: linesField(at("limit", row, "labels"), q.l.say("Labels, as name=value"), labels),
	}
	f.IsOpen = len(s.Tiers)+len(s.Models)+len(s.Groups)+len(labels) > 0
	return f
}

// selectionEntered is what was entered in a row of a form.
func (q *request) selectionEntered(row int) api.Selection {
	entered := func(name string) []string { return linesOf(q.field(at("limit", row, name))) }
	s := api.Selection{Tiers: entered("tiers"), Models: entered("models"), Groups: entered("groups")}
	for _, line := range entered("labels") {
		if s.Labels == nil {
			s.Labels = map[string]string{}
		}
		name, value, _ := strings.Cut(line, "=")
		s.Labels[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return s
}

// fields adds the fields of a selection, by their names in the API.
func (s *selectionFields) fields(of string, all map[string]*input) {
	all[of+".tiers"], all[of+".models"], all[of+".groups"], all[of+".labels"] = &s.Tiers, &s.Models, &s.Groups, &s.Labels
}

// rowFields are what a row of every list has: what it is called, whether it is new, and whether it
// is to be removed.
type rowFields struct {
	Kind      string
	Row       int
	Title     string
	IsNew     bool
	IsRemoved bool
}

// row is a row of a form, as it was entered.
func (q *request) row(kind string, n int) rowFields {
	return rowFields{Kind: kind, Row: n, IsNew: q.field(at(kind, n, "new")) != "", IsRemoved: q.field(at(kind, n, "remove")) != ""}
}

// nameField is the name of a limit, which cannot be changed, because its counters are stored under
// it.
func (p *Pages) nameField(q *request, row *rowFields, operation, name string) input {
	in := p.bounded(field(at("limit", row.Row, "name"), "text", q.l.say("Name"), name), operation, "limits.name")
	in.Pattern, in.Hint = `[a-z0-9]([\-a-z0-9]*[a-z0-9])?`, q.l.say("Such as %s. It cannot be changed later.", "weekly")
	row.Title = name
	if !row.IsNew {
		in.Kind, in.Hint = "hidden", ""
	}
	return in
}

// limitFields are the fields of a money limit.
type limitFields struct {
	rowFields
	selectionFields
	Name, Amount, Period, Window, Per input
}

// aWindow is the choice of a period that has a length instead of a name.
const aWindow = "Window"

// periods are the periods that have a name.
var periods = []string{"Minute", "Hour", "Day", "Week", "Month", "Quarter", "Year"}

func (p *Pages) limitRow(q *request, row rowFields, limit api.WrittenLimit, amount, currency string) *limitFields {
	f := &limitFields{rowFields: row, selectionFields: q.selectionOf(row.Row, limit.Selection)}
	f.Name = p.nameField(q, &f.rowFields, "changeBudget", limit.Name)
	f.Amount = q.amountField(at("limit", row.Row, "amount"), q.l.say("Amount, %s", currency), amount)
	if !row.IsNew {
		f.Amount.Hint = ""
	}
	f.Period = field(at("limit", row.Row, "period"), "select", q.l.say("Period"), "")
	f.Window = p.bounded(field(at("limit", row.Row, "window"), "text", q.l.say("How long the window is"), ""), "changeBudget", "limits.period")
	f.Window.Class, f.Window.Required, f.Window.Hint = "of window", false, q.l.say("Such as %s: from 1s to 24h.", "5m")
	chosen := limit.Period
	if chosen != "" && !slices.Contains(periods, chosen) {
		chosen, f.Window.Value = aWindow, limit.Period
	}
	f.Period.Options = choose(append(q.wordsOf(periods...), pick{Name: q.l.say("A window"), Value: aWindow, Of: "window"}), chosen)
	f.Per = field(at("limit", row.Row, "per"), "select", q.l.say("For"), "")
	f.Per.Options = choose(q.wordsOf("Tenant", "User", "Group", "Key"), limit.Per)
	return f
}

// periodField is the field that says the period.
func (f *limitFields) periodField() *input {
	if slices.ContainsFunc(f.Period.Options, func(p pick) bool { return p.Value == aWindow && p.Selected }) {
		return &f.Window
	}
	return &f.Period
}

// editLimits edits the money limits of a budget.
func (p *Pages) editLimits(q *request, isEntered bool) (*editor, error) {
	budget := q.budget
	if budget == nil {
		return nil, missingPage()
	}
	var rows []*limitFields
	limits := []api.WrittenLimit{}
	if !isEntered {
		for i, limit := range budget.Written.Limits {
			limits = append(limits, limit)
			rows = append(rows, p.limitRow(q, rowFields{Kind: "limit", Row: i}, limit, limit.Amount, budget.Currency))
		}
	}
	sent := map[int]*limitFields{}
	for i := range q.rowsOf() {
		if !isEntered {
			break
		}
		row, entered := q.row("limit", i), func(name string) string { return q.field(at("limit", i, name)) }
		if entered("name")+entered("period") == "" { // the row was not in the form, which asks to add it
			row.IsNew = true
		}
		period := entered("period")
		if period == aWindow {
			period = strings.TrimSpace(entered("window"))
		}
		limit := api.WrittenLimit{
			Name: strings.TrimSpace(entered("name")), Per: entered("per"), Period: period, Amount: q.l.amount(entered("amount")), Selection: q.selectionEntered(i),
		}
		fields := p.limitRow(q, row, limit, "", budget.Currency)
		fields.Amount.Value, fields.Window.Value = entered("amount"), entered("window")
		choose(fields.Period.Options, entered("period"))
		if rows = append(rows, fields); !row.IsRemoved {
			sent[len(limits)], limits = fields, append(limits, limit)
		}
	}
	change := &api.BudgetSpec{Limits: limits}
	e := p.ofBudget(q, budget, "limits", change)
	e.title, e.path, e.rows = q.l.say("Limits of %s", budget.Tenant), "/budgets/limits", rows
	e.lines = func() (lines []string) {
		for _, l := range limits {
			line := []string{l.Name + ": " + q.l.written(l.Amount, budget.Currency), q.l.period(l.Period), q.l.word(l.Per)}
			lines = append(lines, strings.Join(append(line, q.selection(l.Selection)...), ", "))
		}
		return lines
	}
	e.fields = func() map[string]*input {
		all := map[string]*input{}
		for i, f := range sent {
			of := fmt.Sprintf("body.limits[%d]", i)
			all[of], all[of+".name"], all[of+".amount"], all[of+".period"], all[of+".per"] = &f.Amount, &f.Name, &f.Amount, f.periodField(), &f.Per
			f.fields(of, all)
		}
		return all
	}
	e.check = func() error {
		if len(limits) == 0 {
			return missing("body.limits", phrase("must have at least one: a budget without limits limits nothing"))
		}
		return p.API.CheckBody("changeBudget", change)
	}
	return e, nil
}

// ofBudget is the editor of a part of a budget; change has only that part.
func (p *Pages) ofBudget(q *request, budget *api.Budget, part string, change *api.BudgetSpec) *editor {
	in := api.BudgetInput{Tenant: budget.Tenant}
	return &editor{
		version: budget.Version, managers: budget.Managed[part],
		check: func() error { return p.API.CheckBody("changeBudget", change) },
		preview: func(n int) (*api.Preview, error) {
			return p.ask.previewBudget(q.ctx, q.who, &api.BudgetPreviewInput{BudgetInput: in, DaysParameter: api.DaysParameter{Days: n}, Body: *change})
		},
		save: func(version string) (string, []string, error) {
			changed, err := p.ask.changeBudget(q.ctx, q.who, &api.BudgetChangeInput{BudgetInput: in, SeenParameter: ifSeen(version), Body: *change})
			if err != nil {
				return "", nil, err
			}
			return changed.Version, changed.Warnings, nil
		},
	}
}
