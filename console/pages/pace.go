package pages

import (
	"context"
	"math/big"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/history"
)

// lookback is how far back the average goes that a forecast uses.
const lookback = 7 * 24 * time.Hour

// treeRow is a tenant, and how its limits stand.
type treeRow struct {
	Tenant, To string
	Depth      int
	IsOpen     bool
	// ClosesIn is in how long an open breaker closes; empty if that is not known.
	ClosesIn string
	Shadow   bool
	Meters   []Meter
}

// mostTenants is how many tenants of a tree a page shows.
const mostTenants = 50

// tree is a tenant and those below it, or a page of them.
type tree struct {
	Rows []treeRow
	// Next is the page with more; empty for none.
	Next string
}

// HasForecast reports whether any of their limits has a forecast.
func (t tree) HasForecast() bool {
	return slices.ContainsFunc(t.Rows, func(row treeRow) bool {
		return slices.ContainsFunc(row.Meters, func(m Meter) bool { return m.Forecast != nil })
	})
}

// pace is what was spent of a limit so far in its period, and where that leads.
type pace struct {
	Limit, Scope string
	Limits       []link
	Amount       api.Money
	Spent        api.Money
	// Forecast is what will be spent at the end; nil if there is none.
	Forecast *api.Money
	Exceeds  bool
	Resets   string
	ResetsIn string
	Width    int
	// Spending and Going are the points of the lines, and Area those of the area below.
	Spending, Going, Area string
	// LimitAt is the height of the limit; empty if that is beyond the plot.
	LimitAt string
	Ticks   []string
	Lines   []string
	Columns []Column
}

// forecasts says what tenants will have spent.
type forecasts struct {
	now time.Time
	// spent is what each tenant and those below it spent of late, and since is when in that time they first
	// spent anything.
	spent map[string]int64
	since map[string]time.Time
}

// at is what will be spent at a moment if so much is spent already: for each hour until then, it
// adds the average of the last seven days. It is nil if nothing was spent of late, or if that is
// not known.
//
//	forecast = spent + (spent of the last 7 days / their hours) * hours left
func (f forecasts) at(tenant string, spent int64, end time.Time) *api.Money {
	late, ok := f.spent[tenant]
	over, left := f.now.Sub(f.since[tenant]), end.Sub(f.now)
	if !ok || late == 0 || over < time.Hour || left <= 0 {
		return nil
	}
	more := new(big.Int).Mul(big.NewInt(late), big.NewInt(int64(left/time.Second)))
	more.Div(more, big.NewInt(int64(over/time.Second)))
	m := dollarsOf(spent + more.Int64())
	return &m
}

// standing is how the limits of a tenant and those below it stand, and the pace at which one of
// them is spent.
func (p *Pages) standing(ctx context.Context, q *request) (rows tree, at *pace, err error) {
	var forecast forecasts
	asking, both := errgroup.WithContext(ctx)
	asking.Go(func() (err error) { forecast, err = p.forecasts(both, q); return err })
	chosen := q.paced()
	var used *api.Usage
	var within period.Span
	if chosen != nil {
		within = period.Containing(period.Kind(chosen.Period), q.tenant.zone, q.now)
		asking.Go(func() (err error) { used, err = p.spentSince(both, q, within); return err })
	}
	if err := asking.Wait(); err != nil {
		return rows, nil, err
	}
	if chosen != nil {
		at = q.paceOf(q.budget, chosen, within, used, forecast)
	}
	rows, err = p.tree(ctx, q, forecast)
	return rows, at, err
}

// forecasts reads what was spent of late.
func (p *Pages) forecasts(ctx context.Context, q *request) (forecasts, error) {
	from := q.now.Add(-lookback).Truncate(history.Grain)
	f := forecasts{now: q.now, spent: map[string]int64{}, since: map[string]time.Time{}}
	used, err := p.ask.usage(ctx, q.who, &api.UsageInput{
		TenantParameter: q.tenant.parameter(), SpanParameters: api.SpanParameters{From: from.UTC().Format(time.RFC3339)},
		By: []string{"day", "tenant"}, Below: q.tenant.isAdmin, Limit: mostRows,
	})
	if err != nil {
		return f, err
	}
	for _, row := range used.Rows {
		if row.Cost.Nanos == 0 || row.Start == nil {
			continue
		}
		tenant := row.Values["tenant"]
		for _, one := range append(q.tenants.Above(tenant), tenant) {
			f.spent[one] += row.Cost.Nanos
			if since, ok := f.since[one]; !ok || row.Start.Before(since) {
				f.since[one] = *row.Start
			}
		}
	}
	if used.OtherRows > 0 { // rows of any tenant may be missing
		f.spent = map[string]int64{q.tenant.Name: used.Total.Cost.Nanos}
	}
	return f, nil
}

// paced is the limit whose pace is shown: the one that the URL names, or the one with the longest period.
func (q *request) paced() (chosen *api.Limit) {
	if q.budget == nil {
		return nil
	}
	for i := range q.budget.Limits {
		limit := &q.budget.Limits[i]
		if !isPlain(limit) {
			continue
		}
		if limit.Name == q.URL.Query().Get("limit") {
			return limit
		}
		if chosen == nil || limit.ResetsAt.After(chosen.ResetsAt) {
			chosen = limit
		}
	}
	return chosen
}

// calendar are the periods that are long enough for a forecast.
var calendar = []period.Kind{period.Day, period.Week, period.Month, period.Quarter, period.Year}

// isPlain reports whether a limit counts all calls, in a period of the calendar.
func isPlain(limit *api.Limit) bool {
	s := limit.Selection
	return len(s.Tiers)+len(s.Models)+len(s.Groups)+len(s.Labels) == 0 && limit.Amount != nil && slices.Contains(calendar, period.Kind(limit.Period))
}

// spentSince reads what a tenant and those below it have spent in a period so far.
func (p *Pages) spentSince(ctx context.Context, q *request, within period.Span) (*api.Usage, error) {
	return p.ask.usage(ctx, q.who, &api.UsageInput{
		TenantParameter: q.tenant.parameter(),
		SpanParameters:  api.SpanParameters{From: within.Start.UTC().Format(time.RFC3339)},
		By:              []string{grainOf(within)}, Below: q.tenant.isAdmin, Limit: mostRows,
	})
}

func grainOf(within period.Span) string {
	if within.End.Sub(within.Start) <= 49*time.Hour {
		return "hour"
	}
	return "day"
}

// paceOf is the pace of a limit.
func (q *request) paceOf(budget *api.Budget, limit *api.Limit, within period.Span, used *api.Usage, f forecasts) *pace {
	starts := buckets(grainOf(within), within.Start.In(q.tenant.zone), within.End.In(q.tenant.zone))
	spent := used.Total.Cost
	page := &pace{
		Limit: limit.Name, Scope: q.l.period(limit.Period), Amount: *limit.Amount, Spent: spent, Forecast: f.at(q.tenant.Name, spent.Nanos, within.End),
		Resets: q.l.moment(within.End.In(q.tenant.zone)), ResetsIn: q.l.until(q.now, within.End), Width: len(starts) * columnWidth,
	}
	for i := range budget.Limits {
		if one := &budget.Limits[i]; isPlain(one) {
			page.Limits = append(page.Limits, link{Title: one.Name, To: q.with("limit", one.Name), Current: one.Name == limit.Name})
		}
	}
	most := max(spent.Nanos, limit.Amount.Nanos)
	if page.Forecast != nil {
		page.Exceeds = page.Forecast.Nanos > limit.Amount.Nanos
		most = max(most, min(page.Forecast.Nanos, 2*limit.Amount.Nanos))
	}
	page.draw(q, starts, grainOf(within), used, newScale(most), within)
	return page
}

// draw draws the lines, and fills the table.
func (page *pace) draw(q *request, starts []time.Time, grain string, used *api.Usage, scale scale, within period.Span) {
	costs := make([]int64, len(starts))
	for _, row := range used.Rows {
		if row.Start != nil {
			costs[columnOf(starts, row)] += row.Cost.Nanos
		}
	}
	x := func(at time.Time) float64 {
		return float64(page.Width) * float64(at.Sub(within.Start)) / float64(within.End.Sub(within.Start))
	}
	point := func(at time.Time, nanos int64) string { return decimal(x(at)) + "," + decimal(max(0, scale.y(nanos))) }
	points := []string{point(within.Start, 0)}
	var total int64
	every := (len(starts) + 6) / 7
	for i, start := range starts {
		column := Column{Name: q.l.bucket(grain, start)}
		if i%every == 0 {
			column.Label = q.l.mark(grain, start)
		}
		if start.Before(q.now) {
			total += costs[i]
			end := q.now
			if i+1 < len(starts) {
				end = earlier(starts[i+1], q.now)
			}
			points = append(points, point(end, total))
			column.Total, column.Costs = dollarsOf(total), []api.Money{dollarsOf(costs[i])}
		}
		page.Columns = append(page.Columns, column)
	}
	page.Spending = strings.Join(points, " ")
	page.Area = page.Spending + " " + decimal(x(q.now)) + ",100 0,100"
	if page.Forecast != nil {
		page.Going = point(q.now, total) + " " + point(within.End, page.Forecast.Nanos)
	}
	page.LimitAt = decimal(scale.y(page.Amount.Nanos))
	page.Ticks, page.Lines = scale.ticks(q.l), scale.lines()
}

// tree is the tenant and those below it, each after the one above it: the page that the URL names.
func (p *Pages) tree(ctx context.Context, q *request, f forecasts) (t tree, err error) {
	found, err := p.ask.budgets(ctx, q.who, &api.BudgetsInput{
		Tenant: q.tenant.Name, PageParameters: api.PageParameters{Limit: mostTenants, After: q.URL.Query().Get("after")},
	})
	if err != nil {
		return t, err
	}
	for i := range found.Budgets {
		b := &found.Budgets[i]
		t.Rows = append(t.Rows, q.treeRow(b, 1+slices.Index(q.tenants.Above(b.Tenant), q.tenant.Name), f))
	}
	if found.Next != "" {
		t.Next = q.with("after", found.Next) + "#tree"
	}
	return t, nil
}

func (q *request) treeRow(b *api.Budget, depth int, f forecasts) treeRow {
	row := treeRow{Tenant: b.Tenant, Depth: min(depth, 4), IsOpen: b.Breaker.State == "Open", Shadow: b.Shadow, To: q.with("tenant", b.Tenant, "by", "scope", "limit", "user", "group")}
	if row.IsOpen && b.Breaker.ClosesAt != nil {
		row.ClosesIn = q.l.until(q.now, *b.Breaker.ClosesAt)
	}
	for i := range b.Limits {
		m := q.meter(b.Limits[i])
		if isPlain(&b.Limits[i]) {
			m.Forecast = f.at(b.Tenant, m.Spent.Nanos, m.ResetsAt)
			m.Exceeds = m.Forecast != nil && m.Forecast.Nanos > m.Amount.Nanos
		}
		row.Meters = append(row.Meters, m)
	}
	return row
}
