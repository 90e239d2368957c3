package pages

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bursar-dev/bursar/console/api"
)

// costsPage is what a tenant, and those below it, cost.
type costsPage struct {
	q *request

	Span       span
	Ranges     []link
	Scopes     []link
	Dimensions []link
	Of         string
	OfTitle    string
	// By is the dimension whose values have costs of their own.
	By      string
	Filters []filter
	Chart   Stack
	Totals  api.Sums
	Before  api.Money
	Change  change
	Saved   api.Money
	Pace    *pace
	Tree    tree
	Facts   facts
	CSV     string
	Reload  string
	CallsTo string
	// IsWide is whether the tenants below are included.
	IsWide bool
}

// change is how an amount differs from an earlier one.
type change struct{ Text, Class string }

// dimensions are those that costs may be stacked by. With tenants below, there are no
// dimensions of people.
func (q *request) dimensions(wide bool) []string {
	switch {
	case wide:
		return []string{"tenant", "model", "provider"}
	case q.tenant.isAbove:
		return []string{"model", "provider"}
	}
	return []string{"user", "group", "model", "provider"}
}

// byEach are the titles of costs for each value of a dimension.
var byEach = map[string]string{
	"tenant": phrase("By tenant"), "model": phrase("By model"), "provider": phrase("By provider"), "user": phrase("By user"), "group": phrase("By group"),
}

// costs is the page of what a tenant costs.
func (p *Pages) costs(q *request) (view, error) {
	page, err := p.costsOf(q.ctx, q)
	if err != nil {
		return view{}, err
	}
	live := ""
	if page.Span.isUntilNow {
		live = "/costs/live"
		if q.URL.RawQuery != "" {
			live += "?" + q.URL.RawQuery
		}
	}
	return view{template: "costs", title: q.l.say("Costs"), body: page, live: live}, nil
}

// costsOf reads all that the page of costs shows.
func (p *Pages) costsOf(ctx context.Context, q *request) (*costsPage, error) {
	if !q.tenant.isAdmin && !q.tenant.isAbove {
		return nil, forbiddenPage()
	}
	query := q.URL.Query()
	below := q.below()
	page := &costsPage{q: q, Span: spanOf(query, q.tenant.zone, q.now)}
	page.IsWide = below > 0 && q.tenant.isAdmin && query.Get("scope") != "alone" && len(q.selectedPeople()) == 0
	dimensions := q.dimensions(page.IsWide)
	page.Of = query.Get("by")
	if !slices.Contains(dimensions, page.Of) {
		page.Of = dimensions[0]
	}
	page.OfTitle, page.By = q.l.word(page.Of), q.l.say(byEach[page.Of])
	asked := api.UsageInput{
		TenantParameter: q.tenant.parameter(), SpanParameters: page.Span.parameters(), FilterParameters: filterOf(query),
		By: []string{page.Span.grain(), page.Of}, Below: page.IsWide, Top: mostColours - 1,
	}
	before := asked
	before.SpanParameters, before.By, before.Top, before.Limit = page.Span.before(), nil, 0, mostRows
	var used, usedBefore, eachBefore *api.Usage
	asking, ctx := errgroup.WithContext(ctx)
	asking.Go(func() (err error) {
		if used, err = p.ask.usage(ctx, q.who, &asked); err == nil {
			eachBefore, err = p.ask.usage(ctx, q.who, page.eachOf(before, used))
		}
		return err
	})
	asking.Go(func() (err error) { usedBefore, err = p.ask.usage(ctx, q.who, &before); return err })
	asking.Go(func() (err error) { page.Tree, page.Pace, err = p.standing(ctx, q); return err })
	if err := asking.Wait(); err != nil {
		return nil, err
	}
	page.take(used, usedBefore, eachBefore)
	page.lead(dimensions, below)
	return page, nil
}

// eachOf asks for each value that is shown. Because there may be many users, it asks for the
// shown ones only.
func (page *costsPage) eachOf(asked api.UsageInput, shown *api.Usage) *api.UsageInput {
	asked.By = []string{page.Of}
	if users := valuesOf(shown, page.Of); page.Of == "user" && len(users) > 0 {
		asked.User = users
	}
	return &asked
}

// valuesOf are the values of a dimension that have rows of their own, each once.
func valuesOf(used *api.Usage, dimension string) (values []string) {
	for _, row := range used.Rows {
		if value := row.Values[dimension]; !slices.Contains(values, value) {
			values = append(values, value)
		}
	}
	return values
}

// selectedPeople are the parameters that select people.
func (q *request) selectedPeople() []string {
	return append(given(q.URL.Query(), "user"), given(q.URL.Query(), "group")...)
}

// take takes in the usage, and that of the stretch before, in all and for each value that is
// shown.
func (page *costsPage) take(used, before, eachBefore *api.Usage) {
	q := page.q
	page.Totals, page.Before, page.Saved = used.Total, before.Total.Cost, saved(used.Total)
	page.Change = q.change(used.Total.Cost.Nanos, before.Total.Cost.Nanos)
	page.Facts = q.facts(used.AsOf)
	page.Chart = stacking{
		usage: used, of: page.Of, span: page.Span, l: q.l, name: q.named, link: page.narrowed, day: page.dayLink,
	}.stack()
	costs := map[string]api.Money{}
	for _, row := range eachBefore.Rows {
		costs[row.Values[page.Of]] = row.Cost
	}
	for i := range page.Chart.Series {
		series := &page.Chart.Series[i]
		if cost, ok := costs[series.Name]; ok {
			series.Before = &cost
		}
	}
}

// narrowed links to the calls of a value, or to a tenant.
func (page *costsPage) narrowed(value string) string {
	if page.Of == "tenant" {
		return page.q.with("tenant", value, "by", "scope")
	}
	if page.IsWide || page.q.tenant.isAbove || value == "" {
		return ""
	}
	return page.q.path("/calls", merged(page.Span.query(), page.q.picked(), url.Values{page.Of: {value}}))
}

// picked are the parameters that select calls, as they are in the URLs of pages.
func (q *request) picked() url.Values {
	all := url.Values{}
	for _, one := range filtered {
		if values := given(q.URL.Query(), one.name); len(values) > 0 {
			all[one.name] = values
		}
	}
	return all
}

// dayLink links to a single day, week or month.
func (page *costsPage) dayLink(at time.Time) string {
	if page.Span.grain() != "day" {
		return ""
	}
	day := at.Format(time.DateOnly)
	query := page.q.URL.Query()
	query.Del("span")
	query.Set("from", day)
	query.Set("to", day)
	return page.q.URL.Path + "?" + query.Encode()
}

// lead sets the page's links.
func (page *costsPage) lead(dimensions []string, below int) {
	q := page.q
	page.Ranges, page.Filters = q.ranges(page.Span), q.filters()
	page.Reload = q.with("", "")
	for _, one := range dimensions {
		page.Dimensions = append(page.Dimensions, link{Title: q.l.word(one), To: q.with("by", one), Current: one == page.Of})
	}
	if below > 0 && q.tenant.isAdmin {
		page.Scopes = []link{
			{Title: q.l.count(int64(below), "With %s tenant below", "With %s tenants below"), To: q.with("scope", "", "user", "group", "by"), Current: page.IsWide},
			{Title: q.l.say("This tenant alone, by user"), To: q.with("scope", "alone", "by"), Current: !page.IsWide},
		}
	}
	if !q.tenant.isAbove {
		page.CallsTo = q.path("/calls", merged(page.Span.query(), q.picked()))
	}
	query := merged(apiSpan(page.Span), q.selected(), url.Values{"tenant": {q.tenant.Name}, "by": {page.Span.grain() + "," + page.Of}})
	if page.IsWide {
		query.Set("below", "true")
	}
	query.Set("limit", strconv.Itoa(mostRows))
	page.CSV = csvOf("/usage", query)
}

// change is how an amount differs from an earlier one.
func (q *request) change(now, before int64) change {
	switch {
	case before == 0:
		return change{}
	case now == before:
		return change{Text: q.l.say("as before"), Class: "same"}
	}
	ratio := float64(now-before) / float64(before)
	class, sign := "more", "+"
	if ratio < 0 {
		class, sign = "less", ""
	}
	return change{Text: sign + q.l.percent(ratio), Class: class}
}

// below is the number of tenants below this one that the reader sees.
func (q *request) below() (n int) {
	for range q.tenants.From(q.tenant.Name) {
		n++
	}
	return max(0, n-1)
}
