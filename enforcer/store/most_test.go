package store_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestAsManyLimitsAsThereMayBe: however many groups a caller is in, each of its calls is admitted
// and ends, or is refused because too many limits count it. Redis is never asked for more than
// its scripts can take.
func TestAsManyLimitsAsThereMayBe(t *testing.T) {
	client := newClient(t)
	for _, tc := range []struct{ money, rates int }{{16, 0}, {0, limiterv1.MaxRates}, {16, limiterv1.MaxRates}} {
		limits, rates := dollarAYear(), []limiterv1.RateLimit(nil)
		for i := range tc.money {
			limits = append(limits, limiterv1.MoneyLimit{
				Name: fmt.Sprintf("money-%d", i), Per: limiterv1.PerGroup, Period: period.Year, Amount: money.USD + money.Nanos(i),
				Selector: limiterv1.Selector{Tiers: []string{"tier", fmt.Sprint(i)}},
			})
		}
		for i := range tc.rates {
			rates = append(rates, limiterv1.RateLimit{
				Name: fmt.Sprint("rate/", i), Per: limiterv1.PerGroup, Unit: limiterv1.Requests, Count: 1000 + int64(i), Burst: 1000, Window: 1000,
			})
		}
		tenant := newTenant(t, limits, rates)
		admitter := admission.NewAdmitter(newStore(client, uuid.NewString()))
		var refused int
		for groups := range 65 {
			call := newCall(tenant, 1)
			for i := range groups {
				call.Subject.Groups = append(call.Subject.Groups, fmt.Sprint("group-", i))
			}
			result, err := admitter.Admit(t.Context(), tenant, call)
			switch {
			case errors.Is(err, admission.ErrTooManyLimits):
				refused++
			case refused > 0:
				t.Errorf("%+v: %v in %d groups, though fewer are too many", tc, err, groups)
			default:
				testkit.Must(t, err)
				testkit.Must(t, result.Hold.Settle(t.Context(), 1, 0, nil))
				result.Hold.Done()
			}
		}
		if isMany := tc.rates > 0; (refused > 0) != isMany {
			t.Errorf("%+v: %d calls were refused", tc, refused)
		}
	}
}
