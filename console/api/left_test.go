package api

import (
	"testing"
	"time"

	"github.com/bursar-dev/bursar/history"
)

// TestRequestsLeft: what is left of a limit follows the bucket that enforcers have.
func TestRequestsLeft(t *testing.T) {
	now := time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC)
	calls := func(ago ...time.Duration) (all []history.Call) {
		for _, d := range ago {
			all = append(all, history.Call{At: now.Add(-d), Model: "gpt"})
		}
		return all
	}
	limit := RateLimit{Per: "User", Unit: "requests", Amount: 5, Window: "1m"}
	for name, tc := range map[string]struct {
		change func(*RateLimit)
		calls  []history.Call
		want   int64
	}{
		"none":                         {nil, nil, 5},
		"three just now":               {nil, calls(0, 0, 0), 2},
		"five just now":                {nil, calls(0, 0, 0, 0, 0), 0},
		"one flows back in 12 seconds": {nil, calls(12*time.Second, 12*time.Second, 12*time.Second), 3},
		"a minute ago":                 {nil, calls(time.Minute, time.Minute, time.Minute, time.Minute, time.Minute), 5},
		"a burst":                      {func(l *RateLimit) { l.Burst = 15 }, calls(0, 0, 0), 12},
		"another model's":              {func(l *RateLimit) { l.Models = []string{"claude"} }, calls(0, 0, 0), 5},
	} {
		limit := limit
		if tc.change != nil {
			tc.change(&limit)
		}
		bucket, ok := bucketOf(limit)
		if got := bucket.Remaining(debtOf(bucket, limit.Models, tc.calls, now)); !ok || got != tc.want {
			t.Errorf("%s: %d are left, want %d", name, got, tc.want)
		}
	}
	for _, other := range []RateLimit{{Per: "User", Unit: "tokens", Amount: 5, Window: "1m"}, {Per: "Tenant", Unit: "requests", Amount: 5, Window: "1m"}, {Per: "User", Unit: "inFlight", Amount: 5}} {
		if _, ok := bucketOf(other); ok {
			t.Errorf("%+v: it is told what is left", other)
		}
	}
}
