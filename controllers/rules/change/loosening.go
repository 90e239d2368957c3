package change

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// LookBack is how many days of calls a changed budget is replayed with before it is applied.
const LookBack = 7

// Warnings are the warnings about a budget that is created, if was is nil, or changed, by what
// the two specs alone say: it begins to limit nothing, its limits are gone or raised steeply, its
// breaker no longer opens.
func Warnings(was, is *v1alpha1.TenantBudget) []string {
	var warnings []string
	if is.Spec.Enforcement == v1alpha1.EnforcementShadow && (was == nil || was.Spec.Enforcement != v1alpha1.EnforcementShadow) {
		warnings = append(warnings, fmt.Sprintf(
			"spec.enforcement: Shadow: this budget counts the spending of tenant %s, but does not limit it", is.Spec.Tenant))
	}
	if was == nil {
		return warnings
	}
	return append(warnings, loosening(was, is)...)
}

// loosening are the warnings of a change by which a budget limits less.
func loosening(was, is *v1alpha1.TenantBudget) []string {
	warnings := raised(was.Spec, is.Spec)
	before, errs := compile.Tenant(was, nil, nil)
	after, moreErrs := compile.Tenant(is, nil, nil)
	if len(errs)+len(moreErrs) > 0 {
		return warnings
	}
	for _, limit := range before.Money {
		if _, found := Counterpart(after.Level, limit); !found {
			warnings = append(warnings, fmt.Sprintf("spec.limits: limit %s is removed, %s per %[3]s: no other limit counts the same calls per %[3]s",
				limit.Name, coinOf(was.Spec.Currency).amount(limit.Amount), limit.Period))
		}
	}
	_, tripped := before.Rung(limiterv1.Trip)
	switch _, trips := after.Rung(limiterv1.Trip); {
	case len(was.Spec.Ladder) > 0 && len(is.Spec.Ladder) == 0:
		warnings = append(warnings, "spec.ladder: is empty now: calls are refused only when a limit is spent in full, with no warning before; leave it out for Warn at 80 % and Trip at 90 %")
	case tripped && !trips:
		warnings = append(warnings, "spec.ladder: no longer has a Trip rung: calls are refused only when a limit is spent in full")
	}
	return warnings
}

// steep is how many times the amount a raise must reach to be worth a second look.
const steep = 4

// raised are the warnings of limits that were raised steeply, by what their amounts are worth.
func raised(was, is v1alpha1.TenantBudgetSpec) []string {
	var warnings []string
	for i, limit := range is.Limits {
		earlier := slices.IndexFunc(was.Limits, func(l v1alpha1.MoneyLimit) bool { return l.Name == limit.Name && l.Period == limit.Period })
		if earlier < 0 {
			continue
		}
		before, _ := compile.Dollars(was.Limits[earlier].Amount, was.Currency)
		after, ok := compile.Dollars(limit.Amount, is.Currency)
		if ok && before > 0 && after/before >= steep {
			warnings = append(warnings, fmt.Sprintf("%s: limit %s is raised from %s, %d times as much",
				field.NewPath("spec", "limits").Index(i).Child("amount"), limit.Name, fromTo(coinOf(was.Currency), coinOf(is.Currency), before, after), after/before))
		}
	}
	return warnings
}

// fromTo says how an amount was changed.
func fromTo(was, is coin, before, after money.Nanos) string {
	if was == is {
		return was.number(before) + " to " + is.amount(after)
	}
	return was.both(before) + " to " + is.both(after)
}
