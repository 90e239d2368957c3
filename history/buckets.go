package history

import (
	"time"

	"github.com/bursar-dev/bursar/api/period"
)

// bucket is an hour, day, week or month of a zone.
type bucket struct {
	period.Span
	name string
}

// buckets are those of a dimension from a moment on and before another. The first and the last are
// cut off at these moments. A dimension that is not one of time has one bucket, without a name.
func buckets(by Dimension, zone *time.Location, from, to time.Time) ([]bucket, error) {
	if !isTime(by) {
		return []bucket{{Span: period.Span{Start: from, End: to}}}, nil
	}
	var found []bucket
	for at := from; at.Before(to); {
		if len(found) == MostBuckets {
			return nil, invalid("there are more than %d of %s between from and to: ask for less time, or for longer ones", MostBuckets, by)
		}
		whole := containing(by, zone, at)
		b := bucket{Span: period.Span{Start: at, End: whole.End}, name: nameOf(by, whole.Start.In(zone))}
		if b.End.After(to) {
			b.End = to
		}
		found = append(found, b)
		at = whole.End
	}
	return found, nil
}

// containing is the hour, day, week or month of the zone that a moment lies in.
func containing(by Dimension, zone *time.Location, at time.Time) period.Span {
	switch by {
	case ByDay:
		return period.Containing(period.Day, zone, at)
	case ByWeek:
		return period.Containing(period.Week, zone, at)
	case ByMonth:
		return period.Containing(period.Month, zone, at)
	}
	begins := func(t time.Time) bool { return t.In(zone).Minute() == 0 }
	span := period.Span{Start: at.Truncate(Grain)}
	for !begins(span.Start) {
		span.Start = span.Start.Add(-Grain)
	}
	for span.End = span.Start.Add(Grain); !begins(span.End); {
		span.End = span.End.Add(Grain)
	}
	return span
}

func nameOf(by Dimension, start time.Time) string {
	switch by {
	case ByHour:
		return start.Format(time.RFC3339)
	case ByMonth:
		return start.Format("2006-01")
	}
	return start.Format(time.DateOnly)
}

// piece is a part of a bucket that is read from one kind of rows: sums of so many minutes or, if
// these are 0, the ledger.
type piece struct {
	period.Span
	bucket, minutes int
}

// The lengths of spans, in minutes. A third is one of a month: from the 1st, 11th or 21st day on.
const (
	grain = 15
	hour  = 60
	day   = 1440
	third = 14400
)

// calendar covers stretches of time with spans, as they are in a time zone.
type calendar struct{ zone *time.Location }

// pieces are the parts of buckets, which are counted from 1 on, in spans of some lengths, the longest
// first. If there are sums only until a moment, the ledger is read from then on.
func (c calendar) pieces(all []bucket, minutes []int, until *time.Time) (found []piece) {
	for i, b := range all {
		if until == nil || !b.End.After(*until) {
			found = append(found, c.cover(b.Span, i+1, minutes, false)...)
			continue
		}
		// The last spans have sums only until then, and are whole so far.
		found = append(found, c.cover(period.Span{Start: b.Start, End: *until}, i+1, minutes, true)...)
		b.Start = later(b.Start, *until)
		found = append(found, c.cover(b.Span, i+1, nil, false)...)
	}
	return found
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// cover covers a stretch of time with spans, the longest that fit. If the end is open, spans have
// nothing after it, so that they may end later.
func (c calendar) cover(of period.Span, bucket int, minutes []int, openEnd bool) []piece {
	if !of.Start.Before(of.End) {
		return nil
	}
	if len(minutes) == 0 {
		return []piece{{Span: of, bucket: bucket}}
	}
	longest, shorter := minutes[0], minutes[1:]
	first, last := c.roundUp(of.Start, longest), c.spanOf(longest, of.End).Start
	if openEnd {
		last = c.roundUp(of.End, longest)
	}
	if !first.Before(last) {
		return c.cover(of, bucket, shorter, openEnd)
	}
	pieces := c.cover(period.Span{Start: of.Start, End: first}, bucket, shorter, false)
	pieces = append(pieces, piece{period.Span{Start: first, End: last}, bucket, longest})
	if openEnd {
		return pieces
	}
	return append(pieces, c.cover(period.Span{Start: last, End: of.End}, bucket, shorter, false)...)
}

// spanOf is the span of so many minutes that a moment lies in.
func (c calendar) spanOf(minutes int, t time.Time) period.Span {
	switch minutes {
	case grain:
		return period.Span{Start: t.Truncate(Grain), End: t.Truncate(Grain).Add(Grain)}
	case hour:
		return containing(ByHour, c.zone, t)
	case day:
		return containing(ByDay, c.zone, t)
	}
	month := containing(ByMonth, c.zone, t)
	at := func(day int) time.Time { // noon has the same date on the clocks of all zones
		year, of, _ := month.Start.In(c.zone).Date()
		return containing(ByDay, c.zone, time.Date(year, of, day, 12, 0, 0, 0, c.zone)).Start
	}
	switch {
	case !t.Before(at(21)):
		return period.Span{Start: at(21), End: month.End}
	case !t.Before(at(11)):
		return period.Span{Start: at(11), End: at(21)}
	}
	return period.Span{Start: month.Start, End: at(11)}
}

// roundUp is the first moment at or after t at which a span of so many minutes begins.
func (c calendar) roundUp(t time.Time, minutes int) time.Time {
	span := c.spanOf(minutes, t)
	if span.Start.Equal(t) {
		return t
	}
	return span.End
}
