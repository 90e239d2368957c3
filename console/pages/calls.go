package pages

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/console/api"
)

// callRow is a call in a list.
type callRow struct {
	ID, To, When, User, Model, Asked, How, Class string
	Cost                                         *api.Money
	Tokens                                       int64
	// Why is why it was refused.
	Why string
}

func (q *request) rows(calls []api.Call) (rows []callRow) {
	for _, c := range calls {
		row := callRow{
			ID: c.ID, To: q.path("/calls/"+url.PathEscape(c.ID), nil), When: q.l.moment(c.At.In(q.tenant.zone)), User: c.User, Model: c.Model, Class: "good",
		}
		if c.ModelAsked != c.Model {
			row.Asked = c.ModelAsked
		}
		if r := c.Refusal; r != nil {
			row.How, row.Class = q.l.word(r.Reason), "bad"
			row.Why, _ = why(q.l, r)
		}
		if a := c.Admission; a != nil {
			row.Cost, row.Tokens = &a.Cost, a.Tokens
			row.How = q.l.word(a.Outcome)
			if a.Decision != "Admitted" {
				row.How, row.Class = q.l.word(a.Decision), "warn"
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// callsPage is a list of calls, or of refused ones.
type callsPage struct {
	Span          span
	Ranges, Kinds []link
	Rows          []callRow
	Next          string
	IsRefused     bool
	HasUsers      bool
	Filters       []filter
	Kept          []option
	Facts         facts
	CSV           string
}

// filter is a parameter that selects calls.
type filter struct{ Name, Title, Value, Without string }

// filtered are the parameters by which calls are selected.
var filtered = []struct{ name, title string }{
	{"user", phrase("User")}, {"group", phrase("Group")}, {"model", phrase("Model")}, {"provider", phrase("Provider")},
}

// filterOf is the filter in a URL.
func filterOf(query url.Values) (f api.FilterParameters) {
	f.User, f.Group, f.Model, f.Provider = given(query, "user"), given(query, "group"), given(query, "model"), given(query, "provider")
	return f
}

// given are the values of a parameter, without the fields that a form left empty.
func given(query url.Values, name string) (values []string) {
	for _, value := range query[name] {
		if value != "" {
			values = append(values, value)
		}
	}
	return values
}

// calls is the page of calls. A call id in the URL leads to the call.
func (p *Pages) calls(q *request) (view, error) {
	query := q.URL.Query()
	if id := strings.TrimSpace(query.Get("id")); id != "" {
		return view{to: q.path("/calls/"+url.PathEscape(id), nil)}, nil
	}
	page := &callsPage{Span: spanOf(query, q.tenant.zone, q.now), IsRefused: query.Get("kind") == "refused", HasUsers: q.tenant.isAdmin}
	ask, route := p.ask.calls, "/usage/calls"
	if page.IsRefused {
		ask, route = p.ask.refused, "/refusals"
	}
	found, err := ask(q.ctx, q.who, &api.CallsInput{
		TenantParameter: q.tenant.parameter(), SpanParameters: page.Span.parameters(), FilterParameters: filterOf(query),
		PageParameters: api.PageParameters{Limit: 50, After: query.Get("after")},
	})
	if err != nil {
		return view{}, err
	}
	page.Rows, page.Ranges = q.rows(found.Calls), q.ranges(page.Span)
	page.Kinds = []link{
		{Title: q.l.say("Made"), To: q.with("kind", ""), Current: !page.IsRefused}, {Title: q.l.say("Refused"), To: q.with("kind", "refused"), Current: page.IsRefused},
	}
	if found.Next != "" {
		page.Next = q.with("after", found.Next)
	}
	page.Filters, page.Kept = q.filters(), q.kept("user", "group", "model", "provider")
	page.Facts = q.facts(found.AsOf)
	page.CSV = csvOf(route, merged(apiSpan(page.Span), url.Values{"tenant": {q.tenant.Name}, "limit": {"1000"}}, q.selected()))
	return view{template: "calls", title: q.l.say("Calls"), body: page}, nil
}

// filters are the page's parameters that select calls, including those without a value.
func (q *request) filters() (all []filter) {
	for _, one := range filtered {
		value := strings.Join(given(q.URL.Query(), one.name), ",")
		all = append(all, filter{one.name, q.l.say(one.title), value, q.with(one.name, "")})
	}
	return all
}

// selected are the parameters that select calls, as the API takes them.
func (q *request) selected() url.Values {
	all := url.Values{}
	for _, one := range filtered {
		if values := given(q.URL.Query(), one.name); len(values) > 0 {
			all.Set(one.name, strings.Join(values, ","))
		}
	}
	return all
}

// kept are the parameters that a form of this page passes on.
func (q *request) kept(without ...string) (all []option) {
	query := q.URL.Query()
	for _, name := range append(without, "after", "id") {
		query.Del(name)
	}
	for name, values := range query {
		for _, value := range values {
			all = append(all, option{Name: name, Value: value})
		}
	}
	return all
}

// callPage is one call.
type callPage struct {
	Call              *api.Call
	When, How         string
	Ended             string
	Took              string
	Reason, Advice    string
	Resets, ResetsIn  string
	Percent, Width    int64
	Decision, Outcome string
	Lowered           string
	Fallback          string
	Back              string
	// Ask is the form to ask for more; nil if that does not help, or is not for the reader to do.
	Ask *askForm
}

// callID is the pattern of a call's id, as the API's route has it.
var callID = regexp.MustCompile(`^[!-~]{1,100}$`)

// call is the page of a call.
func (p *Pages) call(q *request) (view, error) {
	id := q.PathValue("id")
	if !callID.MatchString(id) {
		return view{}, missingPage()
	}
	call, err := p.ask.call(q.ctx, q.who, &api.CallInput{TenantParameter: q.tenant.parameter(), ID: id})
	if err != nil {
		return view{}, err
	}
	page := &callPage{Call: call, When: q.l.moment(call.At.In(q.tenant.zone)), Back: q.path("/calls", nil)}
	if a := call.Admission; a != nil {
		page.Ended, page.Took = q.l.moment(a.SettledAt.In(q.tenant.zone)), q.l.wait(a.SettledAt.Sub(call.At).Round(10*time.Millisecond).String())
		page.Decision, page.Outcome = q.l.word(a.Decision), q.l.word(a.Outcome)
		if a.LoweredBy != "" {
			page.Lowered = q.l.word(a.LoweredBy)
		}
	}
	if r := call.Refusal; r != nil {
		page.Reason, page.Advice = why(q.l, r)
		if r.Fallback != "" {
			page.Fallback = q.l.word(r.Fallback)
		}
		if r.ResetsAt != nil {
			page.Resets, page.ResetsIn = q.l.moment(r.ResetsAt.In(q.tenant.zone)), q.l.until(q.now, *r.ResetsAt)
		}
		if r.Amount != nil && r.Spent != nil && r.Amount.Nanos > 0 {
			page.Percent = int64(float64(r.Spent.Nanos) / float64(r.Amount.Nanos) * 100)
			page.Width = max(0, min(100, page.Percent))
		}
	}
	if page.Ask, err = p.askAfter(q, call); err != nil {
		return view{}, err
	}
	return view{template: "call", title: q.l.say("Call %s", call.ID), body: page}, nil
}

// askAfter is the form to ask for more of the limit that refused the reader's own call; nil if
// there is no asking for that.
func (p *Pages) askAfter(q *request, call *api.Call) (*askForm, error) {
	r := call.Refusal
	if r == nil || q.tenant.user == "" || call.User != q.tenant.user || r.Tenant != q.tenant.Name || r.Reason != "BudgetExhausted" && r.Reason != "BreakerOpen" {
		return nil, nil
	}
	limits, err := p.ownLimits(q)
	if err != nil || !slices.ContainsFunc(askable(limits), func(l api.Limit) bool { return l.Name == r.Limit }) {
		return nil, err
	}
	form := p.asking(q, limits, r.Limit)
	return &form, nil
}
