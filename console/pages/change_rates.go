package pages

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bursar-dev/bursar/console/api"
)

// ratesPath is where rate limits are changed; the name of their policy is after it.
const ratesPath = "/budgets/rates/"

// rateFields are the fields of a rate limit.
type rateFields struct {
	rowFields
	selectionFields
	Name, Unit, Count, Window, Burst, Per input
	rate                                  api.WrittenRate
}

// countOf is what a rate limit counts, and how many.
func countOf(r api.WrittenRate) (unit string, count *int64) {
	switch {
	case r.Tokens != nil:
		return "tokens", r.Tokens
	case r.Concurrent != nil:
		return "concurrent", r.Concurrent
	}
	return "requests", r.Requests
}

// digits are those of a number that may not be there.
func digits(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

func (p *Pages) rateRow(q *request, row rowFields, rate api.WrittenRate, unit string) *rateFields {
	f := &rateFields{rowFields: row, selectionFields: q.selectionOf(row.Row, rate.Selection), rate: rate}
	name := func(of string) string { return at("limit", row.Row, of) }
	f.Name = p.nameField(q, &f.rowFields, "changeRates", rate.Name)
	is, count := countOf(rate)
	if unit == "" {
		unit = is
	}
	f.Unit = field(name("unit"), "select", q.l.say("What is counted"), "")
	f.Unit.Options = choose([]pick{
		{Name: q.l.say("Calls"), Value: "requests", Of: "window"}, {Name: q.l.say("Tokens"), Value: "tokens", Of: "window"}, {Name: q.l.say("Calls at once"), Value: "concurrent"},
	}, unit)
	f.Count = p.bounded(field(name("count"), "number", q.l.say("How many"), digits(count)), "changeRates", "limits.requests")
	f.Count.Required = true
	f.Window = p.bounded(field(name("window"), "text", q.l.say("In what time"), rate.Window), "changeRates", "limits.window")
	f.Window.Class, f.Window.Hint = "of window", q.l.say("Such as %s.", "1m")
	f.Burst = p.bounded(field(name("burst"), "number", q.l.say("Burst"), digits(rate.Burst)), "changeRates", "limits.burst")
	f.Burst.Class, f.Burst.Hint = "of window", q.l.say("How many at once after a pause. Empty: the same number.")
	f.Per = field(name("per"), "select", q.l.say("For"), "")
	f.Per.Options = choose(q.wordsOf("Tenant", "User", "Group", "Key"), rate.Per)
	return f
}

// rateEntered is a rate limit as it was entered.
func (q *request) rateEntered(n int) api.WrittenRate {
	entered := func(of string) string { return strings.TrimSpace(q.field(at("limit", n, of))) }
	number := func(of string) *int64 {
		if entered(of) == "" {
			return nil
		}
		count, _ := strconv.ParseInt(entered(of), 10, 64) // 0 is out of bounds
		return &count
	}
	r := api.WrittenRate{Name: entered("name"), Per: entered("per"), Selection: q.selectionEntered(n)}
	count := number("count")
	if count == nil {
		count = new(int64)
	}
	switch entered("unit") {
	case "tokens":
		r.Tokens = count
	case "concurrent":
		r.Concurrent = count
		return r
	default:
		r.Requests = count
	}
	r.Window, r.Burst = entered("window"), number("burst")
	return r
}

// editRates edits the limits of a RateLimitPolicy.
func (p *Pages) editRates(q *request, isEntered bool) (*editor, error) {
	budget := q.budget
	if budget == nil {
		return nil, missingPage()
	}
	found := slices.IndexFunc(budget.Rates, func(r api.WrittenRates) bool { return r.Policy == q.PathValue("policy") })
	if found < 0 {
		return nil, missingPage()
	}
	policy := budget.Rates[found]
	var rows, sent []*rateFields
	if isEntered {
		for i := range q.rowsOf() {
			row, unit := q.row("limit", i), q.field(at("limit", i, "unit"))
			row.IsNew = row.IsNew || unit == ""
			fields := p.rateRow(q, row, q.rateEntered(i), unit)
			fields.Count.Value = q.field(at("limit", i, "count"))
			if rows = append(rows, fields); !row.IsRemoved {
				sent = append(sent, fields)
			}
		}
	} else {
		for i, rate := range policy.Limits {
			sent = append(sent, p.rateRow(q, rowFields{Kind: "limit", Row: i}, rate, ""))
		}
		rows = sent
	}
	return p.ofPolicy(q, budget.Tenant, policy, rows, sent), nil
}

// ofPolicy is the editor of a policy's limits, with the rows of a form; sent are
// those that were sent.
func (p *Pages) ofPolicy(q *request, tenant string, policy api.WrittenRates, rows, sent []*rateFields) *editor {
	limits := []api.WrittenRate{}
	for _, f := range sent {
		limits = append(limits, f.rate)
	}
	in, body := api.PolicyInput{BudgetInput: api.BudgetInput{Tenant: tenant}, Policy: policy.Policy}, api.RatesSpec{Limits: limits}
	return &editor{
		title: q.l.say("Rate limits of %s", policy.Policy), path: ratesPath + policy.Policy, version: policy.Version, managers: policy.Managed["limits"], rows: rows,
		lines: func() (lines []string) {
			for _, r := range limits {
				unit, count := countOf(r)
				parts := []string{r.Name + ": " + digits(count) + " " + unit, r.Window, q.l.word(r.Per)}
				lines = append(lines, strings.Join(slices.DeleteFunc(append(parts, q.selection(r.Selection)...), func(s string) bool { return s == "" }), ", "))
			}
			return lines
		},
		fields: func() map[string]*input {
			all := map[string]*input{}
			for i, f := range sent {
				of := fmt.Sprintf("body.limits[%d]", i)
				all[of], all[of+".name"], all[of+".per"], all[of+".window"], all[of+".burst"] = &f.Count, &f.Name, &f.Per, &f.Window, &f.Burst
				all[of+".requests"], all[of+".tokens"], all[of+".concurrent"] = &f.Count, &f.Count, &f.Count
				f.fields(of, all)
			}
			return all
		},
		check: func() error { return p.API.CheckBody("changeRates", body) },
		preview: func(n int) (*api.Preview, error) {
			return p.ask.previewRates(q.ctx, q.who, &api.RatesPreviewInput{PolicyInput: in, DaysParameter: api.DaysParameter{Days: n}, Body: body})
		},
		save: func(version string) (string, []string, error) {
			changed, err := p.ask.changeRates(q.ctx, q.who, &api.RatesChangeInput{PolicyInput: in, SeenParameter: ifSeen(version), Body: body})
			if err != nil {
				return "", nil, err
			}
			return changed.Version, changed.Warnings, nil
		},
	}
}
