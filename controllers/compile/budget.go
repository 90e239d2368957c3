package compile

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Tenant compiles a TenantBudget and the RateLimitPolicies that apply to it into
// the document of its tenant. The errors are those of the budget alone: a policy
// with errors of its own (see Policy) is left out, and does not spoil the rest.
func Tenant(budget *v1alpha1.TenantBudget, policies []v1alpha1.RateLimitPolicy) (limiterv1.Tenant, field.ErrorList) {
	spec := field.NewPath("spec")
	moneyLimits, errs := moneyLimits(budget.Spec.Limits, spec.Child("limits"))
	zone, err := timeZone(budget.Spec.TimeZone, spec.Child("timeZone"))
	if err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return limiterv1.Tenant{}, errs
	}
	tenant := limiterv1.Tenant{
		Sources: []limiterv1.Source{source(kindTenantBudget, budget)},
		Level: limiterv1.Level{
			Tenant:   budget.Spec.Tenant,
			TimeZone: zone,
			Money:    moneyLimits,
			Rates:    []limiterv1.RateLimit{},
			Ladder:   ladder(budget.Spec.Ladder),
		},
	}
	for _, policy := range byName(policies) {
		rates, errs := Policy(&policy)
		if len(errs) > 0 {
			continue
		}
		tenant.Sources = append(tenant.Sources, source(kindRateLimitPolicy, &policy))
		tenant.Rates = append(tenant.Rates, rates...)
	}
	return tenant, nil
}

// defaultZone is the zone of a budget that names none, as in the CRD.
const defaultZone = "UTC"

func timeZone(name string, path *field.Path) (string, *field.Error) {
	zone := cmp.Or(name, defaultZone)
	// LoadLocation would read "Local" as the zone of whatever machine this is.
	if _, err := time.LoadLocation(zone); err != nil || zone == "Local" {
		return "", field.Invalid(path, name,
			`no such time zone: write an IANA name such as "America/Argentina/Buenos_Aires" or "UTC"`)
	}
	return zone, nil
}

func moneyLimits(limits []v1alpha1.MoneyLimit, path *field.Path) ([]limiterv1.MoneyLimit, field.ErrorList) {
	var errs field.ErrorList
	compiled := make([]limiterv1.MoneyLimit, 0, len(limits))
	for i, limit := range limits {
		amount, err := dollars(limit.Amount, path.Index(i).Child("amount"))
		if err != nil {
			errs = append(errs, err)
		}
		kind := period.Kind(limit.Period)
		if !slices.Contains(period.Kinds(), kind) {
			errs = append(errs, field.NotSupported(path.Index(i).Child("period"), kind, period.Kinds()))
		}
		compiled = append(compiled, limiterv1.MoneyLimit{
			Name:   limit.Name,
			Per:    limiterv1.Scope(cmp.Or(limit.Per, v1alpha1.ScopeTenant)),
			Period: kind,
			Amount: amount,
		})
	}
	return compiled, errs
}

func dollars(amount v1alpha1.Amount, path *field.Path) (money.Nanos, *field.Error) {
	nanos, err := money.Parse(string(amount))
	if err != nil {
		return 0, field.Invalid(path, amount, err.Error())
	}
	return nanos, nil
}

func ladder(rungs []v1alpha1.Rung) []limiterv1.Rung {
	compiled := make([]limiterv1.Rung, 0, len(rungs))
	for _, rung := range rungs {
		compiled = append(compiled, limiterv1.Rung{AtPercent: rung.AtPercent, Action: limiterv1.Action(rung.Action)})
	}
	slices.SortStableFunc(compiled, func(a, b limiterv1.Rung) int { return cmp.Compare(a.AtPercent, b.AtPercent) })
	return compiled
}
