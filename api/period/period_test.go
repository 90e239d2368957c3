package period_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bursar-dev/bursar/api/period"
)

// zones are places whose clocks have done something odd in the five years that
// begin with the year.
var zones = []struct {
	name string
	year int
	odd  string
}{
	{"UTC", 2022, "nothing"},
	{"America/Argentina/Buenos_Aires", 2007, "daylight saving tried and dropped, at midnight"},
	{"Europe/Madrid", 2022, "daylight saving at night"},
	{"Asia/Kathmandu", 2022, "five hours and three quarters from UTC"},
	{"Australia/Lord_Howe", 2022, "daylight saving of half an hour"},
	{"Pacific/Apia", 2009, "30 December 2011 never happened"},
	{"Pacific/Kwajalein", 1991, "21 August 1993 never happened"},
	{"America/Sao_Paulo", 2015, "midnight skipped in spring and shown twice in autumn"},
	{"America/Havana", 2019, "midnight skipped in spring, and an hour after it shown twice in autumn"},
	{"Africa/Casablanca", 2019, "winter time in Ramadan"},
	{"America/Scoresbysund", 2021, "another offset on the night of daylight saving"},
	{"Asia/Gaza", 2020, "daylight saving on another date each year, at midnight and after"},
	{"Asia/Pyongyang", 2014, "half an hour back at midnight, and forth again"},
	{"Antarctica/Troll", 2022, "daylight saving of two hours"},
	{"Pacific/Chatham", 2022, "daylight saving, at a quarter to three, of a zone with three quarters of an hour"},
	{"Asia/Kolkata", 2022, "five hours and a half from UTC"},
}

// windows are fixed windows, some of which do not divide a day.
var windows = []period.Kind{"1s", "90s", "5m", "7h", "24h"}

// location is the zone of the name.
func location(t interface {
	Helper()
	Fatal(...any)
}, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// key is a number for the calendar period that a date lies in. Later periods
// have greater numbers.
func key(kind period.Kind, t time.Time) int {
	year, month, day := t.Date()
	switch kind {
	case period.Day:
		return (year*100+int(month))*100 + day
	case period.Week:
		isoYear, week := t.ISOWeek()
		return isoYear*100 + week
	case period.Month:
		return year*100 + int(month)
	case period.Quarter:
		return year*10 + (int(month)-1)/3
	case period.Year:
		return year
	}
	panic(kind)
}

// TestCalendar compares Of with a walk through five years in steps of a quarter
// of an hour, on which the clocks of all these zones are set and all days begin:
// a period lasts from when its date is not followed by an earlier one any more.
func TestCalendar(t *testing.T) {
	const step = 15 * time.Minute
	for _, place := range zones {
		t.Run(place.name, func(t *testing.T) {
			zone := location(t, place.name)
			first := time.Date(place.year, time.January, 1, 0, 0, 0, 0, time.UTC)
			steps := int(first.AddDate(5, 0, 0).Sub(first) / step)
			for _, kind := range period.Kinds() {
				if kind == period.Minute || kind == period.Hour {
					continue
				}
				// From the end backwards: the least key that any clock still shows.
				least := make([]int, steps)
				for i := steps - 1; i >= 0; i-- {
					least[i] = key(kind, first.Add(time.Duration(i)*step).In(zone))
					if i+1 < steps {
						least[i] = min(least[i], least[i+1])
					}
				}
				var starts []time.Time
				for i := 1; i < steps; i++ {
					if least[i] != least[i-1] {
						starts = append(starts, first.Add(time.Duration(i)*step))
					}
				}
				for i := range len(starts) - 1 {
					checkSpan(t, kind, zone, starts[i], starts[i+1])
				}
				if kind == period.Day && len(starts) < 5*365-3 {
					t.Errorf("only %d days in five years", len(starts))
				}
			}
		})
	}
}

// checkSpan checks that Of gives the span for instants throughout it.
func checkSpan(t *testing.T, kind period.Kind, zone *time.Location, start, end time.Time) {
	t.Helper()
	for _, instant := range []time.Time{
		start, start.Add(1), start.Add(time.Hour), start.Add(end.Sub(start) / 2), end.Add(-time.Hour), end.Add(-1),
	} {
		if instant.Before(start) || !instant.Before(end) {
			continue
		}
		if got := period.Containing(kind, zone, instant); !got.Start.Equal(start) || !got.End.Equal(end) {
			t.Errorf("the %s of %s in %s is\n%s, want\n%s to %s", kind, instant, zone, show(got, zone), start.In(zone), end.In(zone))
		}
	}
}

func show(s period.Span, zone *time.Location) string {
	return fmt.Sprintf("%s to %s", s.Start.In(zone), s.End.In(zone))
}

// TestEveryInstantInOnePeriod: Of gives the same span for every instant in it,
// and its neighbours touch it.
func TestEveryInstantInOnePeriod(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		place := rapid.SampledFrom(zones).Draw(t, "place")
		zone := location(t, place.name)
		kind := rapid.SampledFrom(append(period.Kinds(), windows...)).Draw(t, "kind")
		first := time.Date(place.year, time.January, 1, 0, 0, 0, 0, time.UTC)
		within := func(from, to time.Time, label string) time.Time {
			return from.Add(time.Duration(rapid.Int64Range(0, int64(to.Sub(from))-1).Draw(t, label)))
		}
		instant := within(first, first.AddDate(5, 0, 0), "instant")

		span := period.Containing(kind, zone, instant)
		if !span.Contains(instant) {
			t.Fatalf("%s is not in its %s, %s", instant, kind, show(span, zone))
		}
		for _, other := range []time.Time{span.Start, within(span.Start, span.End, "other"), span.End.Add(-1)} {
			if got := period.Containing(kind, zone, other); got != span {
				t.Errorf("%s is in %s and in %s", other, show(span, zone), show(got, zone))
			}
		}
		if next := period.Containing(kind, zone, span.End); !next.Start.Equal(span.End) {
			t.Errorf("after %s comes %s", show(span, zone), show(next, zone))
		}
		if before := period.Containing(kind, zone, span.Start.Add(-1)); !before.End.Equal(span.Start) {
			t.Errorf("before %s comes %s", show(span, zone), show(before, zone))
		}
		// The same instant is in the same period, wherever the clock hangs that it
		// was read from.
		if got := period.Containing(kind, zone, instant.In(zone)); got != span {
			t.Errorf("the same instant is in %s and in %s", show(span, zone), show(got, zone))
		}
	})
}

// TestPeriodsLieEndToEnd walks from period to period through the five years of every
// zone: each begins where the one before ended, so that there are no gaps and no
// overlaps. Of the short ones, which no calendar touches, the first suffice.
func TestPeriodsLieEndToEnd(t *testing.T) {
	const most = 50_000
	periods := 0
	for _, place := range zones {
		zone := location(t, place.name)
		first := time.Date(place.year, time.January, 1, 0, 0, 0, 0, time.UTC)
		for _, kind := range append(period.Kinds(), windows...) {
			span := period.Containing(kind, zone, first)
			for walked := 0; span.Start.Before(first.AddDate(5, 0, 0)) && walked < most; walked++ {
				last := period.Containing(kind, zone, span.End.Add(-1))
				next := period.Containing(kind, zone, span.End)
				if !span.Start.Before(span.End) || last != span || !next.Start.Equal(span.End) {
					t.Fatalf("%s in %s: after %s comes %s, and the last instant of it is in %s",
						kind, place.name, show(span, zone), show(next, zone), show(last, zone))
				}
				span = next
				periods++
			}
		}
	}
	t.Logf("%d periods of %d kinds lie end to end in %d zones", periods, len(period.Kinds())+len(windows), len(zones))
}

func TestOf(t *testing.T) {
	for name, tc := range map[string]struct {
		kind       period.Kind
		zone       string
		at         string
		start, end string
	}{
		"minute": {period.Minute, "Asia/Kathmandu", "2024-05-01T10:00:59.999Z", "2024-05-01T10:00:00Z", "2024-05-01T10:01:00Z"},
		// The hour of the epoch, not of Kathmandu's clocks.
		"hour":              {period.Hour, "Asia/Kathmandu", "2024-05-01T10:20:00Z", "2024-05-01T10:00:00Z", "2024-05-01T11:00:00Z"},
		"hour before epoch": {period.Hour, "UTC", "1969-12-31T23:59:59.5Z", "1969-12-31T23:00:00Z", "1970-01-01T00:00:00Z"},
		"hour on epoch":     {period.Hour, "UTC", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T01:00:00Z"},
		"day":               {period.Day, "America/Argentina/Buenos_Aires", "2024-05-01T02:59:59Z", "2024-04-30T03:00:00Z", "2024-05-01T03:00:00Z"},
		"day of 23 hours":   {period.Day, "Europe/Madrid", "2024-03-31T12:00:00Z", "2024-03-30T23:00:00Z", "2024-03-31T22:00:00Z"},
		"day of 25 hours":   {period.Day, "Europe/Madrid", "2024-10-27T12:00:00Z", "2024-10-26T22:00:00Z", "2024-10-27T23:00:00Z"},
		"sunday's week":     {period.Week, "UTC", "2024-05-05T23:59:59Z", "2024-04-29T00:00:00Z", "2024-05-06T00:00:00Z"},
		"monday's week":     {period.Week, "UTC", "2024-05-06T00:00:00Z", "2024-05-06T00:00:00Z", "2024-05-13T00:00:00Z"},
		"week across years": {period.Week, "UTC", "2025-01-01T00:00:00Z", "2024-12-30T00:00:00Z", "2025-01-06T00:00:00Z"},
		"leap february":     {period.Month, "UTC", "2024-02-29T12:00:00Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"},
		"december":          {period.Month, "UTC", "2024-12-31T23:59:59Z", "2024-12-01T00:00:00Z", "2025-01-01T00:00:00Z"},
		"quarter":           {period.Quarter, "UTC", "2024-06-30T23:59:59Z", "2024-04-01T00:00:00Z", "2024-07-01T00:00:00Z"},
		"last quarter":      {period.Quarter, "UTC", "2024-12-01T00:00:00Z", "2024-10-01T00:00:00Z", "2025-01-01T00:00:00Z"},
		"year":              {period.Year, "Europe/Madrid", "2024-12-31T23:00:00Z", "2024-12-31T23:00:00Z", "2025-12-31T23:00:00Z"},

		// Midnight did not happen: the day began at one.
		"midnight skipped": {period.Day, "America/Sao_Paulo", "2018-11-04T12:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"},
		// It struck midnight and was eleven in the evening again.
		"midnight twice": {period.Day, "America/Sao_Paulo", "2018-02-18T02:30:00Z", "2018-02-17T02:00:00Z", "2018-02-18T03:00:00Z"},
		// The minute after the first midnight belongs to the day that came back.
		"back from the next day": {period.Day, "America/St_Johns", "2010-11-07T02:30:30Z", "2010-11-06T02:30:00Z", "2010-11-07T03:30:00Z"},
		// 29 December 2011 ended where the 31st began.
		"day before the lost one":  {period.Day, "Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"},
		"day after the lost one":   {period.Day, "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"},
		"week with the lost one":   {period.Week, "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-26T10:00:00Z", "2012-01-01T10:00:00Z"},
		"day lost on Kwajalein":    {period.Day, "Pacific/Kwajalein", "1993-08-21T11:59:59Z", "1993-08-20T12:00:00Z", "1993-08-21T12:00:00Z"},
		"a zone of fixed distance": {period.Day, "Etc/GMT-14", "2024-05-01T10:00:00Z", "2024-05-01T10:00:00Z", "2024-05-02T10:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			zone := location(t, tc.zone)
			got := period.Containing(tc.kind, zone, at(t, tc.at))
			if want := (period.Span{Start: at(t, tc.start), End: at(t, tc.end)}); got != want {
				t.Errorf("got  %s\nwant %s", show(got, zone), show(want, zone))
			}
		})
	}
}

func at(t *testing.T, s string) time.Time {
	t.Helper()
	instant, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return instant
}

func TestContains(t *testing.T) {
	start := time.Date(2024, time.May, 1, 0, 0, 0, 0, time.UTC)
	span := period.Span{Start: start, End: start.Add(time.Hour)}
	for instant, want := range map[time.Time]bool{
		start.Add(-1): false, start: true, span.End.Add(-1): true, span.End: false,
	} {
		if got := span.Contains(instant); got != want {
			t.Errorf("Contains(%s) = %v, want %v", instant, got, want)
		}
	}
}

func TestUnknownKind(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	period.Containing("Fortnight", time.UTC, time.Now())
}

// TestStartOf: a date begins with the day of the calendar, also where clocks skip its midnight, and dates beyond the
// ends of months are those of others.
func TestStartOf(t *testing.T) {
	for zone, want := range map[string]string{
		"America/Santiago": "2026-09-06T01:00:00-03:00", "America/Bogota": "2026-09-06T00:00:00-05:00", "UTC": "2026-09-06T00:00:00Z",
	} {
		location, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		start := period.StartOf(2026, time.September, 6, location)
		if got := start.Format(time.RFC3339); got != want {
			t.Errorf("%s: it begins at %s, want %s", zone, got, want)
		}
		if day := period.Containing(period.Day, location, start.Add(time.Hour)); !day.Start.Equal(start) {
			t.Errorf("%s: the day begins at %s, and the date at %s", zone, day.Start, start)
		}
		if same := period.StartOf(2026, time.August, 31+6, location); !same.Equal(start) {
			t.Errorf("%s: six days after August begin at %s", zone, same)
		}
	}
}
