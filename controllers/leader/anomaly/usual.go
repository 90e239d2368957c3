package anomaly

import (
	"math"
	"slices"
	"time"

	"github.com/bursar-dev/bursar/api/money"
)

const (
	// weeks is how many weeks back spending is compared with, and hoursAWeek with how many hours of
	// each. fewestHours must be known before anything is called unusual: those of four weeks.
	weeks       = 8
	hoursAWeek  = 3
	fewestHours = 4 * hoursAWeek
	// least is how many times the usual an hour must cost, and deviations by how many robust
	// standard deviations it must be above the usual.
	least      = 4
	deviations = 8
	// perMAD turns the median absolute deviation of a normal distribution into its standard
	// deviation.
	perMAD = 1.4826
)

// comparedWith are the hours that spending in an hour is compared with: the same hour of the same
// weekday in a zone, and those before and after it, of each of the last weeks, the latest first.
func comparedWith(hour time.Time, zone *time.Location) (hours []time.Time) {
	local := hour.In(zone)
	for week := 1; week <= weeks; week++ {
		same := local.AddDate(0, 0, -7*week).UTC().Truncate(time.Hour)
		hours = append(hours, same.Add(-time.Hour), same, same.Add(time.Hour))
	}
	return hours
}

// unusual is whether somebody who spent so much within an hour spent far more than the samples say
// is usual, which is their median, and at least a floor:
//
//	spent > max(floor, 4 * median, median + 8 * 1.4826 * MAD)
func unusual(spent, floor money.Nanos, samples []money.Nanos) (usual money.Nanos, is bool) {
	if len(samples) < fewestHours {
		return 0, false
	}
	usual = median(samples)
	distances := make([]money.Nanos, len(samples))
	for i, sample := range samples {
		distances[i] = max(sample-usual, usual-sample)
	}
	spread := money.Nanos(math.Ceil(deviations * perMAD * float64(median(distances)))) // says who is told, and charges nobody
	return usual, spent > max(floor, least*usual, usual+spread)
}

// median is the middle of values, or the lower one of the two that are.
func median(values []money.Nanos) money.Nanos {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}
