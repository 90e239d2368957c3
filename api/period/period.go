package period

import (
	"fmt"
	"slices"
	"time"
)

// Kind is the length of a period: one of Kinds, or a fixed window of whole seconds
// such as "5m". Windows, minutes and hours are aligned to the Unix epoch; longer
// kinds are aligned to the calendar of a time zone. Weeks start on Monday (ISO 8601).
type Kind string

// The kinds of period.
const (
	Minute  Kind = "Minute"
	Hour    Kind = "Hour"
	Day     Kind = "Day"
	Week    Kind = "Week"
	Month   Kind = "Month"
	Quarter Kind = "Quarter"
	Year    Kind = "Year"
)

// Kinds are all kinds, shortest first.
func Kinds() []Kind { return []Kind{Minute, Hour, Day, Week, Month, Quarter, Year} }

// Longest is the longest fixed window.
const Longest = 24 * time.Hour

// Validate reports why kind is neither one of Kinds nor a fixed window.
func (kind Kind) Validate() error {
	if slices.Contains(Kinds(), kind) {
		return nil
	}
	window, err := time.ParseDuration(string(kind))
	if err != nil {
		return fmt.Errorf("period %q: must be one of %v, or a window such as 5m", kind, Kinds())
	}
	if window < time.Second || window > Longest || window%time.Second != 0 {
		return fmt.Errorf("period %q: a window is whole seconds, between 1s and %s", kind, Longest)
	}
	return nil
}

// window is the length of a kind that is not aligned to a calendar.
func (kind Kind) window() (length time.Duration, fixed bool) {
	switch kind {
	case Minute:
		return time.Minute, true
	case Hour:
		return time.Hour, true
	case Day, Week, Month, Quarter, Year:
		return 0, false
	}
	length, err := time.ParseDuration(string(kind))
	return length, err == nil
}

// Span is a half-open interval of time: Start is in it, End is not.
type Span struct{ Start, End time.Time }

// Contains reports whether t lies in the span.
func (s Span) Contains(t time.Time) bool { return !t.Before(s.Start) && t.Before(s.End) }

// Containing is the period of the given kind that t lies in, by the calendar of zone. It
// panics if kind is not valid; the API server refuses such kinds.
func Containing(kind Kind, zone *time.Location, t time.Time) Span {
	if length, fixed := kind.window(); fixed {
		return windowAt(length, t)
	}
	// If a zone's clock is set back across midnight, a date is shown before its period begins: t then lies in
	// the period before.
	first := firstDate(kind, dateOf(t.In(zone)))
	start := startOf(first, zone)
	for start.After(t) {
		first = firstDate(kind, first.addDays(-1))
		start = startOf(first, zone)
	}
	return Span{Start: start, End: startOf(nextDate(kind, first), zone)}
}

func windowAt(length time.Duration, t time.Time) Span {
	seconds := int64(length / time.Second)
	past := t.Unix() % seconds
	if past < 0 {
		past += seconds
	}
	start := time.Unix(t.Unix()-past, 0).UTC()
	return Span{Start: start, End: start.Add(length)}
}

// date is a day of the proleptic Gregorian calendar, without a zone. It is held
// as midnight UTC, where every date exists and has 24 hours.
type date struct{ time.Time }

func newDate(year int, month time.Month, day int) date {
	return date{time.Date(year, month, day, 0, 0, 0, 0, time.UTC)}
}

func dateOf(t time.Time) date { return newDate(t.Date()) }

func (d date) addDays(n int) date { return date{d.AddDate(0, 0, n)} }

// firstDate is the first date of the period that d lies in.
func firstDate(kind Kind, d date) date {
	switch kind {
	case Day:
		return d
	case Week:
		return d.addDays(-(int(d.Weekday()) + 6) % 7)
	case Month:
		return newDate(d.Year(), d.Month(), 1)
	case Quarter:
		return newDate(d.Year(), d.Month()-(d.Month()-1)%3, 1)
	case Year:
		return newDate(d.Year(), time.January, 1)
	}
	panic(fmt.Sprintf("period: unknown kind %q", kind))
}

// nextDate is the first date of the period after the one that starts on d.
func nextDate(kind Kind, d date) date {
	switch kind {
	case Day:
		return d.addDays(1)
	case Week:
		return d.addDays(7)
	case Month:
		return newDate(d.Year(), d.Month()+1, 1)
	case Quarter:
		return newDate(d.Year(), d.Month()+3, 1)
	case Year:
		return newDate(d.Year()+1, time.January, 1)
	}
	panic(fmt.Sprintf("period: unknown kind %q", kind))
}

// StartOf is the moment when a date begins in a zone, which is not midnight if the clocks skip that. Months and
// days may be outside their ranges, as with time.Date: day 0 is the last of the month before.
func StartOf(year int, month time.Month, day int, zone *time.Location) time.Time {
	return startOf(newDate(year, month, day), zone).In(zone)
}

// startOf is the first instant from which on the clocks of zone never again show
// a date before d. Clocks may skip midnight, or the whole date, or show midnight
// twice; this instant exists all the same, and it never decreases with d.
func startOf(d date, zone *time.Location) time.Time {
	shows := func(t time.Time) bool { return !dateOf(t.In(zone)).Before(d.Time) }
	// No zone is more than a day from UTC, so that d has not begun two days
	// before its midnight in UTC and has begun two days after it. Walk the
	// stretches of constant offset in between, latest first.
	lower := d.Add(-48 * time.Hour)
	t := d.Add(48 * time.Hour)
	for {
		begin, _ := t.In(zone).ZoneBounds()
		if begin.IsZero() || begin.Before(lower) {
			begin = lower
		}
		if !shows(begin) {
			// Within the stretch the date changes at its own midnight.
			_, offset := t.In(zone).Zone()
			return d.Add(-time.Duration(offset) * time.Second).UTC()
		}
		before := begin.Add(-time.Nanosecond)
		if !shows(before) {
			return begin.UTC()
		}
		t = before
	}
}
