package webhook

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// stops are the warnings of the limits that refuse calls from now on, for what is
// spent already, and did not before. Limits that count users, groups or keys are left out: each has
// spent another amount. Amounts are written in the coin.
func stops(was, is limiterv1.Level, counters limiterstore.Reading, written coin) []string {
	zone, err := time.LoadLocation(is.TimeZone)
	if err != nil {
		return nil
	}
	var warnings []string
	for i, limit := range is.Money {
		if limit.Per != limiterv1.PerTenant {
			continue
		}
		span := period.Containing(limit.Period, zone, counters.Now)
		spent, _ := counters.Money[limiterv1.MoneyField(limit)].In(span)
		if !isUsedUp(is, limit, spent) || wasUsedUp(was, limit, spent) {
			continue
		}
		calls := "calls"
		if !limit.IsAll() {
			calls = "the calls that match it"
		}
		beyond := ""
		if !limit.Exhausted(spent) {
			beyond = ", past its Trip rung"
		}
		warnings = append(warnings, fmt.Sprintf("%s: limit %s is set to %s and %s are already spent%s: %s are refused until %s",
			field.NewPath("spec", "limits").Index(i).Child("amount"), limit.Name, written.amount(limit.Amount), written.number(spent), beyond,
			calls, span.End.UTC().Format(time.RFC3339)))
	}
	return warnings
}

// isUsedUp reports whether a limit of the level refuses calls when that amount is spent.
func isUsedUp(level limiterv1.Level, limit limiterv1.MoneyLimit, spent money.Nanos) bool {
	return spent > 0 && limiterv1.Reached(spent, level.RefusesFrom(limit))
}

// wasUsedUp is the same of the limit that counted the same calls before.
func wasUsedUp(level limiterv1.Level, limit limiterv1.MoneyLimit, spent money.Nanos) bool {
	earlier, found := counterpart(level, limit)
	return found && isUsedUp(level, earlier, spent)
}

// counterpart is the limit of a level that counts the same calls as the given one, which may
// have had another name.
func counterpart(level limiterv1.Level, limit limiterv1.MoneyLimit) (limiterv1.MoneyLimit, bool) {
	i := slices.IndexFunc(level.Money, func(b limiterv1.MoneyLimit) bool {
		return b.Per == limit.Per && limiterv1.MoneyField(b) == limiterv1.MoneyField(limit)
	})
	if i < 0 {
		return limiterv1.MoneyLimit{}, false
	}
	return level.Money[i], true
}
