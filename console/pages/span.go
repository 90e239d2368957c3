package pages

import (
	"net/url"
	"time"

	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/console/api"
)

// span is the stretch of time that a page is about, in days of the tenant's zone.
type span struct {
	// Name is the name in the URL; empty for a span that From and To of the URL bound.
	Name string
	// Start is the first day, and End the day after the last.
	Start, End time.Time
	// BeforeStart and BeforeEnd bound the stretch before it: as much of that as has passed of
	// this one.
	BeforeStart, BeforeEnd time.Time
	// isUntilNow is whether it lasts until now.
	isUntilNow bool
}

// spans are those that a page offers; the first is the default.
func spans() []struct{ Name, Title string } {
	return []struct{ Name, Title string }{
		{"30d", phrase("30 days")}, {"7d", phrase("7 days")}, {"month", phrase("This month")}, {"last-month", phrase("Last month")}, {"90d", phrase("90 days")},
	}
}

// spanOf is the stretch of time that a URL names; the default for an unknown one.
func spanOf(query url.Values, zone *time.Location, now time.Time) span {
	today := addDays(now.In(zone), 0)
	tomorrow := addDays(today, 1)
	if s, ok := customSpan(query, zone, tomorrow); ok {
		return s
	}
	lastDays := func(name string, n int) span {
		start := addDays(today, 1-n)
		return span{Name: name, Start: start, End: tomorrow, BeforeStart: addDays(start, -n), BeforeEnd: start, isUntilNow: true}
	}
	month, last := firstOf(today, 0), firstOf(today, -1)
	switch query.Get("span") {
	case "7d":
		return lastDays("7d", 7)
	case "90d":
		return lastDays("90d", 90)
	case "month":
		return span{Name: "month", Start: month, End: tomorrow, BeforeStart: last, BeforeEnd: earlier(addDays(last, today.Day()), month), isUntilNow: true}
	case "last-month":
		return span{Name: "last-month", Start: last, End: month, BeforeStart: firstOf(today, -2), BeforeEnd: last}
	}
	return lastDays("30d", 30)
}

// customSpan is the span from a day to another, both included.
func customSpan(query url.Values, zone *time.Location, tomorrow time.Time) (span, bool) {
	const most = 3 * 366
	first, err := time.Parse(time.DateOnly, query.Get("from"))
	if err != nil {
		return span{}, false
	}
	from, end := period.StartOf(first.Year(), first.Month(), first.Day(), zone), tomorrow
	if last, err := time.Parse(time.DateOnly, query.Get("to")); err == nil {
		end = period.StartOf(last.Year(), last.Month(), last.Day()+1, zone)
	}
	if !from.Before(end) || from.Year() < 2000 || end.Year() > 2200 || end.Sub(from) > most*24*time.Hour {
		return span{}, false
	}
	days := int(end.Sub(from).Hours()/24 + .5)
	return span{Start: from, End: end, BeforeStart: addDays(from, -days), BeforeEnd: from, isUntilNow: end.Equal(tomorrow)}, true
}

// addDays is the beginning of the day that is so many days after the day of a moment.
func addDays(t time.Time, days int) time.Time {
	return period.StartOf(t.Year(), t.Month(), t.Day()+days, t.Location())
}

// firstOf is the beginning of the month that is so many months after the month of a moment.
func firstOf(t time.Time, months int) time.Time {
	return period.StartOf(t.Year(), t.Month()+time.Month(months), 1, t.Location())
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Last is the last day.
func (s span) Last() time.Time { return addDays(s.End, -1) }

// days is how many days it has.
func (s span) days() int { return int(s.End.Sub(s.Start).Hours()/24 + .5) }

// grain is the length of the columns in its chart.
func (s span) grain() string {
	switch days := s.days(); {
	case days <= 2:
		return "hour"
	case days <= 100:
		return "day"
	case days <= 400:
		return "week"
	}
	return "month"
}

// parameters are the span as parameters of the API.
func (s span) parameters() api.SpanParameters {
	return api.SpanParameters{From: s.Start.Format(time.DateOnly), To: s.End.Format(time.DateOnly)}
}

// before is the stretch before it, as parameters of the API.
func (s span) before() api.SpanParameters {
	return api.SpanParameters{From: s.BeforeStart.Format(time.DateOnly), To: s.BeforeEnd.Format(time.DateOnly)}
}

// query is the span as in a URL.
func (s span) query() url.Values {
	if s.Name != "" {
		return url.Values{"span": {s.Name}}
	}
	return url.Values{"from": {s.Start.Format(time.DateOnly)}, "to": {s.Last().Format(time.DateOnly)}}
}

// buckets are the beginnings of the hours, days, weeks or months of a stretch of time, by the
// grain.
func buckets(grain string, start, end time.Time) (starts []time.Time) {
	next := map[string]func(time.Time) time.Time{
		"hour":  func(t time.Time) time.Time { return t.Add(time.Hour) },
		"day":   func(t time.Time) time.Time { return addDays(t, 1) },
		"week":  func(t time.Time) time.Time { return addDays(t, 7-(int(t.Weekday())+6)%7) },
		"month": func(t time.Time) time.Time { return firstOf(t, 1) },
	}[grain]
	for at := start; at.Before(end); at = next(at) {
		starts = append(starts, at)
	}
	return starts
}
