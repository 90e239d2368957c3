package change

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Spent is what is spent of a limit in a period.
type Spent func(limit limiterv1.MoneyLimit, span period.Span) money.Nanos

// Stops are the warnings about limits that will refuse calls from now on because of what is
// already spent, and did not before. Limits that count users, groups or keys are left out,
// because each of those has spent another amount. Amounts are written in the currency.
func Stops(was, is limiterv1.Level, now time.Time, spentOf Spent, currency *v1alpha1.Currency) []string {
	written := coinOf(currency)
	zone, err := period.Zone(is.TimeZone)
	if err != nil {
		return nil
	}
	var warnings []string
	for i, limit := range is.Money {
		if limit.Per != limiterv1.PerTenant {
			continue
		}
		span := period.Containing(limit.Period, zone, now)
		spent := spentOf(limit, span)
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

// wasUsedUp is isUsedUp for the limit that counted the same calls before.
func wasUsedUp(level limiterv1.Level, limit limiterv1.MoneyLimit, spent money.Nanos) bool {
	earlier, found := Counterpart(level, limit)
	return found && isUsedUp(level, earlier, spent)
}

// Counterpart is the limit of a level that counts the same calls as the given one, which may
// have had another name.
func Counterpart(level limiterv1.Level, limit limiterv1.MoneyLimit) (limiterv1.MoneyLimit, bool) {
	i := slices.IndexFunc(level.Money, func(b limiterv1.MoneyLimit) bool {
		return b.Per == limit.Per && limiterv1.MoneyField(b) == limiterv1.MoneyField(limit)
	})
	if i < 0 {
		return limiterv1.MoneyLimit{}, false
	}
	return level.Money[i], true
}

// Tightens reports whether a level refuses calls that another did not: it has a new limit, or
// one that is reached with less.
func Tightens(was, is limiterv1.Level) bool {
	return slices.ContainsFunc(is.Money, func(limit limiterv1.MoneyLimit) bool {
		earlier, found := Counterpart(was, limit)
		return !found || is.RefusesFrom(limit) < was.RefusesFrom(earlier)
	})
}

// Before is what a document has limited before it is changed to what it is: nothing where it is
// new, or was in Shadow.
func Before(was *v1alpha1.TenantBudget) (before limiterv1.Tenant) {
	if was != nil && was.Spec.Enforcement != v1alpha1.EnforcementShadow {
		before, _ = compile.Tenant(was, nil, nil)
	}
	return before
}
