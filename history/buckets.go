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

// buckets are those of a dimension from a moment on and before another, the first and the last
// as far as they lie between; one without a name if the dimension is not one of time.
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
