package setup_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// minutely is a budget with a limit per minute whose breaker opens as the tests begin, until
// the end of that minute. It is watched while other tests run, because even the shortest period
// takes long.
var minutely struct {
	budget *v1alpha1.TenantBudget
	end    time.Time
	// isDisturbed is whether the manager or a store was away when the minute ended, or may have been.
	isDisturbed bool
}

// disturbMinute is called by tests that stop the manager or a store: if the minute ends then, that does
// not show how soon the manager notices it.
func disturbMinute() {
	const seen = 3 * time.Second // how late the end may be seen
	minutely.isDisturbed = minutely.isDisturbed || time.Now().Before(minutely.end.Add(seen))
}

// undisturbedMinute is a minute that ends, or has ended, while the manager and the stores run: the minute
// that began with the tests, or a new one.
func undisturbedMinute(ctx context.Context) (budget *v1alpha1.TenantBudget, end time.Time) {
	GinkgoHelper()
	if minutely.isDisturbed {
		openMinutely(ctx)
	}
	return minutely.budget, minutely.end
}

func openMinutely(ctx context.Context) {
	GinkgoHelper()
	budget := objects.TenantBudget(newNamespace(ctx))
	budget.Spec.Limits = []v1alpha1.MoneyLimit{{Name: "minutely", Period: "Minute", Amount: "1.00"}}
	create(ctx, budget)
	expectCondition(ctx, budget, v1alpha1.ConditionBreakerOpen, "False BelowTripRung")
	minutely.budget, minutely.end, minutely.isDisturbed = budget, awaitEarlyMinute(ctx), false
	spend(ctx, budget.Spec.Tenant, period.Minute, 95*money.Cent, 0, true)
	// Another test may lose Redis meanwhile: the counters are then set from the ledger.
	record(ctx, budget.Spec.Tenant, 95*money.Cent)
	expectCondition(ctx, budget, v1alpha1.ConditionBreakerOpen, "True TripRungReached")
	Expect(budget.Status.Breaker.ClosesAt.Time).To(BeTemporally("==", minutely.end))
}

// awaitEarlyMinute waits until the present minute has some seconds left, and
// returns its end.
func awaitEarlyMinute(ctx context.Context) time.Time {
	GinkgoHelper()
	end := func() time.Time { return period.Containing(period.Minute, time.UTC, time.Now()).End }
	Eventually(ctx, func() time.Duration { return time.Until(end()) }).Should(BeNumerically(">", 4*time.Second))
	return end()
}
