package pages

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/bursar-dev/bursar/console/api"
)

// input is a field of a form, with what is wrong with what was entered.
type input struct {
	ID, Name, Label, Hint, Error, ErrorLanguage string
	// Kind is select, area, or a type that input has in HTML.
	Kind, Value string
	Options     []pick
	Lines       int
	// Class says when the field is shown, if not always.
	Class string
	// The bounds that a browser checks; empty for none.
	Pattern, MinLength, MaxLength, Min, Max, Mode string
	Required                                      bool
}

// pick is a value that can be selected. Of names the fields that it is shown with, if not all.
type pick struct {
	Name, Value, Of string
	Selected        bool
}

// field is a field whose name in the form is also its id.
func field(name, kind, label, value string) input {
	return input{ID: name, Name: name, Kind: kind, Label: label, Value: value}
}

// bounded adds to a field the bounds that a route has for a member of its body.
func (p *Pages) bounded(in input, operation, member string) input {
	b, err := p.API.BoundsOf(operation, member)
	if err != nil {
		p.Log.Error("A field of a form has no bounds", "error", err)
		return in
	}
	bound := func(n *int) string {
		if n == nil {
			return ""
		}
		return strconv.Itoa(*n)
	}
	number := func(n *float64) string {
		if n == nil {
			return ""
		}
		return strconv.FormatFloat(*n, 'f', -1, 64)
	}
	in.MinLength, in.MaxLength, in.Min, in.Max = bound(b.MinLength), bound(b.MaxLength), number(b.Min), number(b.Max)
	in.Required = b.Required
	if b.Pattern != "" {
		in.Pattern = browserPattern(b.Pattern)
	}
	return in
}

// browserPattern is a regular expression in the form that browsers take, which must match the
// whole value, and in which a hyphen at the beginning of a class is escaped.
func browserPattern(pattern string) string {
	inner, fromStart := strings.CutPrefix(pattern, "^")
	inner, toEnd := strings.CutSuffix(inner, "$")
	if !fromStart {
		inner = ".*" + inner
	}
	if !toEnd {
		inner += ".*"
	}
	return strings.ReplaceAll(inner, "[-", `[\-`)
}

// amountField is a field for an amount of money, in the reader's number format.
func (q *request) amountField(name, label, written string) input {
	in := field(name, "text", label, strings.Replace(written, ".", q.l.decimal, 1))
	in.Mode, in.Required, in.MaxLength, in.Pattern = "decimal", true, "32", `[0-9]+(\.[0-9]{1,9})?`
	in.Hint = q.l.say("Such as %s", "5"+q.l.decimal+"00")
	if q.l.decimal != "." {
		in.Pattern = `[0-9]+([.,][0-9]{1,9})?`
	}
	return in
}

// amount is an amount that was entered, as the API takes it. An ambiguous one is returned so that
// the API refuses it.
func (l *locale) amount(entered string) string {
	entered = strings.TrimSpace(entered)
	whole, fraction, found := strings.Cut(entered, l.decimal)
	switch {
	case l.decimal == ".":
		return entered
	case found:
		return whole + "." + fraction
	}
	if _, after, found := strings.Cut(entered, "."); found && len(after) == 3 {
		return whole + " " // a thousand, or thousandths: the API refuses it
	}
	return entered
}

// written is an amount as people write it in YAML, in a currency.
func (l *locale) written(amount, currency string) string {
	if !strings.Contains(amount, ".") {
		amount += ".00"
	}
	sign, whole, fraction := l.moneyParts(api.Money{USD: amount})
	fraction += strings.Repeat("0", max(0, 2-len(fraction)))
	if currency == "USD" {
		return sign + whole + l.decimal + fraction
	}
	return strings.Replace(sign, l.currency(), "", 1) + whole + l.decimal + fraction + " " + currency
}

// choose marks the option that is selected.
func choose(options []pick, value string) []pick {
	for i := range options {
		options[i].Selected = options[i].Value == value
	}
	return options
}

// complaints are what is wrong with what was entered.
type complaints struct {
	Title string
	Items []complaint
}

// complaint is what is wrong, and the field that it is about.
type complaint struct{ To, Label, Text, Language string }

// heard is a text of the API in the reader's language, if there is a translation. If not, language
// says which language it is in.
func (q *request) heard(text string) (said, language string) {
	said = q.l.say(text)
	if q.l.isSpanish && said == text {
		return said, "en"
	}
	return said, ""
}

// What the API says about frequent mistakes.
var _ = []string{
	phrase("must be more than 0 and at most 9000000"), phrase("must be one line of printable text"), phrase("must be in the future, and within a year"),
	phrase("must be an amount such as 5.00"), phrase("must be more than spaces"), phrase("must be a name of lower-case letters, digits and hyphens"),
	phrase("You have five open requests: wait for an answer to one of them."), phrase("Somebody has approved or declined it already."),
	phrase("Other changes are being previewed: try again in a moment."),
}

// complain puts what is wrong at the fields of a form, by their names in the API. It returns
// errors that are not about the form.
func (q *request) complain(err error, fields map[string]*input) (*complaints, error) {
	var problem *api.Problem
	if !errors.As(err, &problem) || len(problem.Errors) == 0 && !slices.Contains(ofForms, problem.Status) {
		return nil, err
	}
	c := &complaints{Title: q.l.say("Nothing was changed")}
	for _, e := range problem.Errors {
		text, language := q.heard(e.Message)
		one := complaint{Text: text, Language: language}
		if in := nearest(fields, e.Parameter); in != nil {
			in.Error, in.ErrorLanguage = text, language
			one.To, one.Label = in.ID, in.Label
		} else if name := strings.TrimPrefix(e.Parameter, "body."); name != "body" {
			one.Label = name
		}
		c.Items = append(c.Items, one)
	}
	if len(problem.Errors) == 0 {
		text, language := q.heard(problem.Detail)
		c.Items = []complaint{{Text: text, Language: language}}
	}
	return c, nil
}

// ofForms are the statuses of errors about what was entered.
var ofForms = []int{http.StatusUnprocessableEntity, http.StatusConflict, http.StatusTooManyRequests}

// nearest is the field of a parameter, or of the one that it is a part of; nil for none.
func nearest(fields map[string]*input, parameter string) *input {
	for parameter != "" {
		if in, ok := fields[parameter]; ok {
			return in
		}
		parameter = parameter[:max(0, strings.LastIndexAny(parameter, ".["))]
	}
	return nil
}

// missing is the problem of a field that is required.
func missing(parameter, message string) error {
	return &api.Problem{Status: http.StatusUnprocessableEntity, Code: "invalid_parameter", Errors: []api.ParameterError{{Parameter: parameter, Message: message}}}
}

// statusOf is the status of an error.
func statusOf(err error) int {
	var problem *api.Problem
	if errors.As(err, &problem) {
		return problem.Status
	}
	return http.StatusOK
}

// lasting are the choices of how long something is given, or asked for.
var lasting = []struct {
	name, title string
	days        int
}{
	{"1", phrase("1 day"), 1}, {"7", phrase("7 days"), 7}, {"30", phrase("30 days"), 30}, {"90", phrase("90 days"), 90},
}

// lastingOptions are the choices of lasting, after others.
func (q *request) lastingOptions(before ...pick) []pick {
	for _, one := range lasting {
		before = append(before, pick{Name: q.l.say(one.title), Value: one.name})
	}
	return before
}

// daysOf is the number of days of a choice; 0 if it is none of lasting.
func daysOf(name string) int {
	for _, one := range lasting {
		if one.name == name {
			return one.days
		}
	}
	return 0
}

// at is the name of a field in a row of a form with several rows.
func at(kind string, row int, name string) string { return fmt.Sprintf("%s-%d-%s", kind, row, name) }
