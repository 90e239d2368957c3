package tenantbudget

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

// TestLimitsRecordedOnce: limits are recorded again if they or their budget have changed, if
// recording them has failed, if their rows were closed, and after a while.
func TestLimitsRecordedOnce(t *testing.T) {
	budget := func(uid string, amount money.Nanos) budgetstore.Budget {
		return budgetstore.Budget{UID: uid, Generation: 1, Level: tenantWith(usualLadder, daily(amount))}
	}
	var recorded recordedLimits
	failed := errors.New("Postgres is away")
	for _, step := range []struct {
		name   string
		forget bool
		budget budgetstore.Budget
		after  time.Duration
		err    error
		want   bool
	}{
		{name: "for the first time", budget: budget("a", 5), want: true},
		{name: "the same", budget: budget("a", 5)},
		{name: "another amount", budget: budget("a", 6), want: true},
		{name: "another budget", budget: budget("b", 6), want: true},
		{name: "the first one again", budget: budget("a", 6), want: true},
		{name: "a change that fails", budget: budget("a", 7), err: failed, want: true},
		{name: "what was recorded before that", budget: budget("a", 6), want: true},
		{name: "the same, closed since", forget: true, budget: budget("a", 6), want: true},
		{name: "the same, soon after", budget: budget("a", 6), after: recordAgain - time.Second},
		{name: "the same, long after", budget: budget("a", 6), after: 2 * recordAgain, want: true},
	} {
		if step.forget {
			recorded.forget(step.budget.Tenant)
		}
		got := false
		err := recorded.once(t.Context(), step.budget, noon.Add(step.after), func(context.Context, budgetstore.Budget) error {
			got = true
			return step.err
		})
		if got != step.want || !errors.Is(err, step.err) {
			t.Errorf("%s: recorded %v with error %v, want %v with %v", step.name, got, err, step.want, step.err)
		}
	}
}
