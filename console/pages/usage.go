package pages

import (
	"net/url"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bursar-dev/bursar/console/api"
)

// mostColours is how many colours a chart has, including that of all others.
const mostColours = 7

// usagePage is the reader's own usage.
type usagePage struct {
	q *request

	Mine, Shared []Meter
	// MoreLimits is how many more limits of money there are.
	MoreLimits int64
	Rates      []Rate
	Span       span
	Ranges     []link
	Chart      Stack
	// Totals are those of the stretch of time, and Before those of the one before it.
	Totals  api.Sums
	Before  api.Money
	Calls   []callRow
	Refused []callRow
	// Asked are recent requests, Ask the page to ask for more, and RequestsTo the page of all
	// requests.
	Asked           []requestRow
	Ask, RequestsTo string
	AllTo           string
	Facts           facts
	CSV             string
}

// facts say what the figures of a page are: whose, of when, and in which zone.
type facts struct {
	Tenant, AsOf, Zone string
	// NoMoney is whether no figure is money.
	NoMoney bool
}

// home redirects to the page that the reader sees first.
func (p *Pages) home(q *request) (view, error) {
	if q.tenant.user == "" && (q.tenant.isAdmin || q.tenant.isAbove) {
		return view{to: q.path("/costs", nil)}, nil
	}
	return view{to: q.path("/usage", nil)}, nil
}

// usage is the page of the reader's own usage.
func (p *Pages) usage(q *request) (view, error) {
	page := &usagePage{q: q, Span: spanOf(q.URL.Query(), q.tenant.zone, q.now)}
	if q.tenant.user == "" {
		return view{template: "nobody", title: q.l.say("My usage"), body: page}, nil
	}
	tenant := q.tenant.parameter()
	mine := api.FilterParameters{User: []string{q.tenant.user}}
	var used, before *api.Usage
	var limits *api.Limits
	var calls, refused *api.Calls
	var asked *api.Requests
	asking, ctx := errgroup.WithContext(q.ctx)
	asking.Go(func() (err error) {
		limits, err = p.ask.limits(ctx, q.who, &api.LimitsInput{TenantParameter: tenant})
		return err
	})
	asking.Go(func() (err error) {
		used, err = p.ask.usage(ctx, q.who, &api.UsageInput{
			TenantParameter: tenant, SpanParameters: page.Span.parameters(), FilterParameters: mine, By: []string{page.Span.grain(), "model"}, Top: mostColours - 1,
		})
		return err
	})
	asking.Go(func() (err error) {
		before, err = p.ask.usage(ctx, q.who, &api.UsageInput{TenantParameter: tenant, SpanParameters: page.Span.before(), FilterParameters: mine, Limit: 1})
		return err
	})
	asking.Go(func() (err error) {
		asked, err = p.ask.requests(ctx, q.who, &api.RequestsInput{TenantParameter: tenant, PageParameters: api.PageParameters{Limit: 100}})
		return err
	})
	list := api.CallsInput{TenantParameter: tenant, SpanParameters: page.Span.parameters(), FilterParameters: mine, PageParameters: api.PageParameters{Limit: 6}}
	asking.Go(func() (err error) {
		if calls, err = p.ask.calls(ctx, q.who, &list); err != nil {
			return err
		}
		refused, err = p.ask.refused(ctx, q.who, &list)
		return err
	})
	if err := asking.Wait(); err != nil {
		return view{}, err
	}
	page.takeLimits(limits)
	page.takeUsage(used)
	page.Totals, page.Before = used.Total, before.Total.Cost
	page.Calls, page.Refused = q.rows(calls.Calls), q.rows(refused.Calls)
	page.Asked, page.Ask, page.RequestsTo = p.ownRequests(q, asked), q.path("/requests/new", nil), q.path("/requests", nil)
	page.AllTo = q.path("/calls", merged(page.Span.query(), url.Values{"user": {q.tenant.user}}))
	return view{template: "usage", title: q.l.say("My usage"), body: page}, nil
}

// mostRows is how many rows a page asks for at most.
const mostRows = 10_000

func (page *usagePage) takeLimits(limits *api.Limits) {
	slices.SortStableFunc(limits.Money, func(a, b api.Limit) int { return min(1, len(a.Group)) - min(1, len(b.Group)) }) // groups may be many
	shown, more := listed(limits.Money)
	page.MoreLimits = more
	for _, limit := range shown {
		meter := page.q.meter(limit)
		if meter.Class != "good" && isAskable(limit, limits) {
			meter.Ask = page.q.path("/requests/new", url.Values{"limit": {limit.Name}})
		}
		if limit.Per == "Tenant" || limit.Spent == nil {
			page.Shared = append(page.Shared, meter)
		} else {
			page.Mine = append(page.Mine, meter)
		}
	}
	for _, limit := range limits.Rates {
		page.Rates = append(page.Rates, page.q.rate(limit))
	}
}

func (page *usagePage) takeUsage(used *api.Usage) {
	q := page.q
	page.Ranges = q.ranges(page.Span)
	page.Facts = q.facts(used.AsOf)
	page.CSV = csvOf("/usage", merged(apiSpan(page.Span), url.Values{
		"tenant": {q.tenant.Name}, "user": {q.tenant.user}, "by": {page.Span.grain() + ",model"},
	}))
	page.Chart = stacking{
		usage: used, of: "model", span: page.Span, l: q.l, name: q.named,
		link: func(model string) string {
			return q.path("/calls", merged(page.Span.query(), url.Values{"user": {q.tenant.user}, "model": {model}}))
		},
	}.stack()
}

// apiSpan is a stretch of time as a URL of the API has it.
func apiSpan(s span) url.Values {
	of := s.parameters()
	return url.Values{"from": {of.From}, "to": {of.To}}
}

// csvOf is a link to the same figures as CSV.
func csvOf(route string, query url.Values) string {
	query.Set("format", "csv")
	return api.Root + route + "?" + query.Encode()
}

func merged(all ...url.Values) url.Values {
	result := url.Values{}
	for _, values := range all {
		for name, of := range values {
			result[name] = of
		}
	}
	return result
}

// named is a value of a dimension; a word for none.
func (q *request) named(value string) string {
	if value == "" {
		return q.l.say("(none)")
	}
	return value
}

// facts are those of figures that were read at a moment.
func (q *request) facts(asOf time.Time) facts {
	return facts{Tenant: q.tenant.Name, AsOf: q.l.moment(asOf.In(q.tenant.zone)), Zone: q.tenant.zone.String()}
}

func (f facts) withoutMoney() facts {
	f.NoMoney = true
	return f
}
