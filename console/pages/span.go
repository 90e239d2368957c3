package pages

import (
	"net/url"
	"time"

	"github.com/bursar-dev/bursar/console/api"
)

// span is the stretch of time that a page is about, in days of the tenant's zone.
type span struct {
	// Name is what the URL calls it; empty for one that From and To of the URL bound.
	Name string
	// Start is the first day, and End the day after the last.
	Start, End time.Time
	// Before is the stretch before it, as far as it has gone.
	BeforeStart, BeforeEnd time.Time
	// isUntilNow is whether it goes on.
	isUntilNow bool
}

// spans are those that a page offers, the first of which it has by default.
func spans() []struct{ Name, Title string } {
	return []struct{ Name, Title string }{
		{"30d", phrase("30 days")}, {"7d", phrase("7 days")}, {"month", phrase("This month")}, {"last-month", phrase("Last month")}, {"90d", phrase("90 days")},
	}
}

// spanOf is the stretch of time that a URL names. One that there is not is the default.
func spanOf(query url.Values, zone *time.Location, now time.Time) span {
	today := dayOf(now.In(zone))
	tomorrow := today.AddDate(0, 0, 1)
	if s, ok := customSpan(query, zone, tomorrow); ok {
		return s
	}
	lastDays := func(name string, n int) span {
		start := today.AddDate(0, 0, 1-n)
		return span{Name: name, Start: start, End: tomorrow, BeforeStart: start.AddDate(0, 0, -n), BeforeEnd: start, isUntilNow: true}
	}
	month := time.Date(today.Year(), today.Month(), 1, 0, 0, 0, 0, zone)
	switch query.Get("span") {
	case "7d":
		return lastDays("7d", 7)
	case "90d":
		return lastDays("90d", 90)
	case "month":
		before := month.AddDate(0, -1, 0)
		return span{Name: "month", Start: month, End: tomorrow, BeforeStart: before, BeforeEnd: earlier(before.AddDate(0, 0, today.Day()), month), isUntilNow: true}
	case "last-month":
		return span{Name: "last-month", Start: month.AddDate(0, -1, 0), End: month, BeforeStart: month.AddDate(0, -2, 0), BeforeEnd: month.AddDate(0, -1, 0)}
	}
	return lastDays("30d", 30)
}

// customSpan is the one from a day to another, both included.
func customSpan(query url.Values, zone *time.Location, tomorrow time.Time) (span, bool) {
	const most = 3 * 366
	from, err := time.ParseInLocation(time.DateOnly, query.Get("from"), zone)
	if err != nil {
		return span{}, false
	}
	last, err := time.ParseInLocation(time.DateOnly, query.Get("to"), zone)
	if err != nil {
		last = tomorrow.AddDate(0, 0, -1)
	}
	end := last.AddDate(0, 0, 1)
	if !from.Before(end) || from.Year() < 2000 || end.Year() > 2200 || end.Sub(from) > most*24*time.Hour {
		return span{}, false
	}
	days := int(end.Sub(from).Hours()/24 + .5)
	return span{Start: from, End: end, BeforeStart: from.AddDate(0, 0, -days), BeforeEnd: from, isUntilNow: end.Equal(tomorrow)}, true
}

func dayOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Last is the last day.
func (s span) Last() time.Time { return s.End.AddDate(0, 0, -1) }

// days is how many days it has.
func (s span) days() int { return int(s.End.Sub(s.Start).Hours()/24 + .5) }

// grain is by what its chart is divided.
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

// parameters are it as the API takes it.
func (s span) parameters() api.SpanParameters {
	return api.SpanParameters{From: s.Start.Format(time.DateOnly), To: s.End.Format(time.DateOnly)}
}

// before are the stretch before it, as the API takes it.
func (s span) before() api.SpanParameters {
	return api.SpanParameters{From: s.BeforeStart.Format(time.DateOnly), To: s.BeforeEnd.Format(time.DateOnly)}
}

// query is it as a URL has it.
func (s span) query() url.Values {
	if s.Name != "" {
		return url.Values{"span": {s.Name}}
	}
	return url.Values{"from": {s.Start.Format(time.DateOnly)}, "to": {s.Last().Format(time.DateOnly)}}
}

// buckets are when the hours, days, weeks or months of a stretch of time begin, by the grain.
func buckets(grain string, start, end time.Time) (starts []time.Time) {
	next := map[string]func(time.Time) time.Time{
		"hour":  func(t time.Time) time.Time { return t.Add(time.Hour) },
		"day":   func(t time.Time) time.Time { return t.AddDate(0, 0, 1) },
		"week":  func(t time.Time) time.Time { return t.AddDate(0, 0, 7-(int(t.Weekday())+6)%7) },
		"month": func(t time.Time) time.Time { return time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, t.Location()) },
	}[grain]
	for at := start; at.Before(end); at = next(at) {
		starts = append(starts, at)
	}
	return starts
}
