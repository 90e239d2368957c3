package tenantbudget

import (
	"testing"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
)

// TestGrantsCount: rungs and percentages are of the amount with what is granted at the
// moment, by the clock of the counters, and the next look is when that changes.
func TestGrantsCount(t *testing.T) {
	limit := daily(5 * money.USD)
	limit.Grants = []limiterv1.Grant{
		{Name: "now", Amount: 5 * money.USD, ExpiresAt: noon.Add(time.Hour)},
		{Name: "later", Amount: 90 * money.USD, StartsAt: noon.Add(2 * time.Hour), ExpiresAt: noon.Add(3 * time.Hour)},
	}
	for name, tc := range map[string]struct {
		now             time.Time
		granted, amount money.Nanos
		percent         int64
		rung            limiterv1.Action
		next            time.Time
	}{
		"during the first":    {noon, 5 * money.USD, 10 * money.USD, 48, "", noon.Add(time.Hour)},
		"between them":        {noon.Add(time.Hour), 0, 5 * money.USD, 96, limiterv1.Trip, noon.Add(2 * time.Hour)},
		"during the second":   {noon.Add(2 * time.Hour), 90 * money.USD, 95 * money.USD, 5, "", noon.Add(3 * time.Hour)},
		"when it is all over": {noon.Add(3 * time.Hour), 0, 5 * money.USD, 96, limiterv1.Trip, noon.Add(12 * time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			level, err := measure(tenantWith(usualLadder, limit), spentAt(tc.now, map[period.Kind]money.Nanos{period.Day: 480 * money.Cent}))
			if err != nil {
				t.Fatal(err)
			}
			got := level.limits[0]
			if got.granted != tc.granted || got.Amount != tc.amount || got.percent() != tc.percent || got.rung != tc.rung {
				t.Errorf("%s of %s are granted, %d%% are used, rung %q; want %s of %s, %d%%, %q",
					got.granted, got.Amount, got.percent(), got.rung, tc.granted, tc.amount, tc.percent, tc.rung)
			}
			if next, _ := (&usage{levels: []levelUsage{level}}).nextTurn(); !next.Equal(tc.next) {
				t.Errorf("the next turn is at %s, want %s", next, tc.next)
			}
		})
	}
}
