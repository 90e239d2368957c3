package pages

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bursar-dev/bursar/console/api"
)

// rungFields are the fields of a rung of the ladder.
type rungFields struct {
	rowFields
	AtPercent, Action, Models input
	// Fallbacks are tried one after another.
	Fallbacks                 []input
	Message, MaxAge, Cheapest input
	rung                      api.WrittenRung
}

// fallbacks are what can be tried instead of refusing a call.
var fallbacks = []string{"Cache", "CheapestModel", "Message"}

func (p *Pages) rungRow(q *request, row rowFields, rung api.WrittenRung) *rungFields {
	name := func(of string) string { return at("rung", row.Row, of) }
	percent := ""
	if rung.AtPercent > 0 {
		percent = strconv.Itoa(int(rung.AtPercent))
	}
	row.Title = q.l.say("New rung")
	if !row.IsNew {
		row.Title = q.l.say("At %s percent", percent)
	}
	f := &rungFields{rowFields: row, rung: rung}
	f.AtPercent = p.bounded(field(name("percent"), "number", q.l.say("At this percentage of the limit"), percent), "changeBudget", "ladder.atPercent")
	f.Action = field(name("action"), "select", q.l.say("What happens"), "")
	f.Action.Options = choose(q.wordsOf("Warn", "Downgrade", "Trip"), rung.Action)
	var models []string
	for _, m := range rung.Models {
		models = append(models, m.From+" = "+m.To)
	}
	f.Models = linesField(name("models"), q.l.say("Cheaper models, as model = cheaper model"), models)
	f.Models.Class, f.Models.Hint = "of Downgrade", "gpt-4o = gpt-4o-mini"
	for i, label := range []string{q.l.say("Instead of refusing"), q.l.say("or else"), q.l.say("or else, finally")} {
		one := field(name(fmt.Sprintf("fallback-%d", i)), "select", label, "")
		one.Options = append([]pick{{Name: "–"}}, q.wordsOf(fallbacks...)...)
		if i < len(rung.Fallback) {
			choose(one.Options, rung.Fallback[i])
		}
		one.Class = "of Trip"
		f.Fallbacks = append(f.Fallbacks, one)
	}
	f.Message = p.bounded(field(name("message"), "area", q.l.say("The message"), rung.Message), "changeBudget", "ladder.message")
	f.Message.Lines, f.Message.Class = 3, "of Message"
	age := ""
	if rung.Cache != nil {
		age = rung.Cache.MaxAge
	}
	f.MaxAge = field(name("age"), "text", q.l.say("How old a cached answer may be"), age)
	f.MaxAge.Class, f.MaxAge.Hint = "of Cache", q.l.say("Such as %s. Empty: 1h.", "30m")
	var cheapest []string
	if rung.Cheapest != nil {
		cheapest = rung.Cheapest.Models
	}
	f.Cheapest = linesField(name("cheapest"), q.l.say("The models to choose the cheapest of"), cheapest)
	f.Cheapest.Class, f.Cheapest.Hint = "of CheapestModel", q.l.say("One per line. Empty: all.")
	return f
}

// rungEntered is a rung as it was entered, without the hidden fields of other actions.
func (q *request) rungEntered(n int) api.WrittenRung {
	entered := func(of string) string { return q.field(at("rung", n, of)) }
	percent, _ := strconv.ParseInt(strings.TrimSpace(entered("percent")), 10, 32) // 0 is out of bounds
	r := api.WrittenRung{AtPercent: int32(percent), Action: entered("action")}
	switch r.Action {
	case "Downgrade":
		for _, line := range linesOf(entered("models")) {
			from, to, _ := strings.Cut(line, "=")
			r.Models = append(r.Models, api.Replacement{From: strings.TrimSpace(from), To: strings.TrimSpace(to)})
		}
	case "Trip":
		for i := range fallbacks {
			if fallback := entered(fmt.Sprintf("fallback-%d", i)); fallback != "" {
				r.Fallback = append(r.Fallback, fallback)
			}
		}
		if slices.Contains(r.Fallback, "Message") {
			r.Message = strings.ReplaceAll(entered("message"), "\r\n", "\n")
		}
		if age := strings.TrimSpace(entered("age")); age != "" && slices.Contains(r.Fallback, "Cache") {
			r.Cache = &api.CacheFallback{MaxAge: age}
		}
		if models := linesOf(entered("cheapest")); len(models) > 0 && slices.Contains(r.Fallback, "CheapestModel") {
			r.Cheapest = &api.CheapestFallback{Models: models}
		}
	}
	return r
}

// editLadder edits the ladder of a budget.
func (p *Pages) editLadder(q *request, isEntered bool) (*editor, error) {
	budget := q.budget
	if budget == nil || budget.Written.Ladder == nil {
		return nil, missingPage()
	}
	var rows, sent []*rungFields
	if isEntered {
		for i := range q.rowsOf() {
			row := q.row("rung", i)
			row.IsNew = row.IsNew || q.field(at("rung", i, "action")) == ""
			fields := p.rungRow(q, row, q.rungEntered(i))
			fields.AtPercent.Value = q.field(at("rung", i, "percent"))
			if rows = append(rows, fields); !row.IsRemoved {
				sent = append(sent, fields)
			}
		}
	} else {
		for i, rung := range *budget.Written.Ladder {
			sent = append(sent, p.rungRow(q, rowFields{Kind: "rung", Row: i}, rung))
		}
		rows = sent
	}
	sent = slices.SortedStableFunc(slices.Values(sent), func(a, b *rungFields) int { return int(a.rung.AtPercent - b.rung.AtPercent) })
	ladder := []api.WrittenRung{}
	for _, f := range sent {
		ladder = append(ladder, f.rung)
	}
	e := p.ofBudget(q, budget, "ladder", &api.BudgetSpec{Ladder: &ladder})
	e.title, e.path, e.rows = q.l.say("Ladder of %s", budget.Tenant), "/budgets/ladder", rows
	e.lines = func() (lines []string) {
		for _, r := range ladder {
			lines = append(lines, q.rungLine(r))
		}
		return lines
	}
	e.fields = func() map[string]*input {
		all := map[string]*input{}
		for i, f := range sent {
			of := fmt.Sprintf("body.ladder[%d]", i)
			all[of], all[of+".atPercent"], all[of+".action"], all[of+".models"] = &f.AtPercent, &f.AtPercent, &f.Action, &f.Models
			all[of+".message"], all[of+".cache"], all[of+".cheapestModel"], all[of+".fallback"] = &f.Message, &f.MaxAge, &f.Cheapest, &f.Fallbacks[0]
		}
		return all
	}
	return e, nil
}

// rungLine is a rung in words.
func (q *request) rungLine(r api.WrittenRung) string {
	parts := []string{q.l.say("At %s percent", int64(r.AtPercent)) + ": " + q.l.word(r.Action)}
	for _, m := range r.Models {
		parts = append(parts, m.From+" → "+m.To)
	}
	for _, f := range r.Fallback {
		parts = append(parts, q.l.word(f))
	}
	if r.Message != "" {
		parts = append(parts, "“"+r.Message+"”")
	}
	if r.Cache != nil {
		parts = append(parts, r.Cache.MaxAge)
	}
	if r.Cheapest != nil {
		parts = append(parts, r.Cheapest.Models...)
	}
	return strings.Join(parts, ", ")
}
