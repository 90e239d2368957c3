package pages

import (
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestDaysWithoutMidnight: where clocks are set ahead at midnight, as in Chile, that day and those after it are under
// their own dates.
func TestDaysWithoutMidnight(t *testing.T) {
	zone, err := time.LoadLocation("America/Santiago")
	testkit.Must(t, err)
	for name, tc := range map[string]struct {
		query       string
		now         string
		first, last string
		days        []string
	}{
		"on the day":        {"span=7d", "2026-09-06T12:00:00-03:00", "2026-08-31", "2026-09-06", []string{"08-31 00", "09-01 00", "09-02 00", "09-03 00", "09-04 00", "09-05 00", "09-06 01"}},
		"days after it":     {"span=7d", "2026-09-09T12:00:00-03:00", "2026-09-03", "2026-09-09", []string{"09-03 00", "09-04 00", "09-05 00", "09-06 01", "09-07 00", "09-08 00", "09-09 00"}},
		"from the day on":   {"from=2026-09-06&to=2026-09-07", "2026-09-09T12:00:00-03:00", "2026-09-06", "2026-09-07", []string{"09-06 01", "09-07 00"}},
		"the month so far":  {"span=month", "2026-09-07T12:00:00-03:00", "2026-09-01", "2026-09-07", []string{"09-01 00", "09-02 00", "09-03 00", "09-04 00", "09-05 00", "09-06 01", "09-07 00"}},
		"until the day":     {"from=2026-09-05&to=2026-09-06", "2026-10-09T12:00:00-03:00", "2026-09-05", "2026-09-06", []string{"09-05 00", "09-06 01"}},
		"the day is the to": {"from=2026-09-04&to=2026-09-05", "2026-10-09T12:00:00-03:00", "2026-09-04", "2026-09-05", []string{"09-04 00", "09-05 00"}},
	} {
		t.Run(name, func(t *testing.T) {
			query, err := url.ParseQuery(tc.query)
			testkit.Must(t, err)
			now, err := time.Parse(time.RFC3339, tc.now)
			testkit.Must(t, err)
			s := spanOf(query, zone, now)
			if first, last := s.parameters().From, s.Last().Format(time.DateOnly); first != tc.first || last != tc.last {
				t.Errorf("it is from %s to %s, want from %s to %s", first, last, tc.first, tc.last)
			}
			var days []string
			for _, start := range buckets("day", s.Start, s.End) {
				days = append(days, start.Format("01-02 15"))
			}
			if !slices.Equal(days, tc.days) {
				t.Errorf("its days are %q, want %q", days, tc.days)
			}
		})
	}
}
