package compile

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/callers"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Tenant compiles a TenantBudget, the RateLimitPolicies that apply to it and its
// BudgetGrants into the document of its tenant, which has the given ancestors, nearest
// first. The errors are those of the budget alone: a policy or a grant with errors is
// left out (see Applying and Granting), and does not affect the rest.
func Tenant(
	budget *v1alpha1.TenantBudget, policies []v1alpha1.RateLimitPolicy, grants []v1alpha1.BudgetGrant, ancestors ...Ancestor,
) (limiterv1.Tenant, field.ErrorList) {
	level, sources, errs := level(budget, policies, grants)
	if len(errs) > 0 {
		return limiterv1.Tenant{}, errs
	}
	tenant := limiterv1.Tenant{Sources: sources, Level: level}
	tenant.BudgetRefusalStatus = budget.Spec.BudgetRefusalStatus
	if tokens := budget.Spec.AssumedOutputTokens; tokens != nil {
		tenant.AssumedOutputTokens = *tokens
	}
	tenant.FitOutputTokens = fit(budget.Spec.Fit)
	if budget.Spec.UnknownModel == v1alpha1.UnknownModelPriceAsMostExpensive {
		tenant.UnknownModel = limiterv1.PriceAsMostExpensive
	}
	tenant.VirtualModels = virtualModels(budget.Spec.VirtualModels)
	tenant.LimitedTiers = limitedTiers(budget.Namespace, Applying(budget.Namespace, policies))
	return under(tenant, ancestors), nil
}

// DefaultFit is the least output, in tokens, to which calls are lowered if the budget does not
// say, as in the CRD.
const DefaultFit = 1024

func fit(fit *v1alpha1.Fit) int64 {
	switch {
	case fit == nil:
		return DefaultFit
	case fit.Mode == v1alpha1.FitRefuse:
		return 0
	}
	return cmp.Or(fit.MinOutputTokens, DefaultFit)
}

func outputCaps(caps []v1alpha1.OutputCap) []limiterv1.OutputCap {
	var compiled []limiterv1.OutputCap
	for _, c := range caps {
		compiled = append(compiled, limiterv1.OutputCap{Selector: selector(c.Tiers, c.Models, c.Groups, c.Labels), MaxOutputTokens: c.MaxOutputTokens})
	}
	return compiled
}

func virtualModels(virtual []v1alpha1.VirtualModel) map[string][]string {
	if len(virtual) == 0 {
		return nil
	}
	compiled := map[string][]string{}
	for _, v := range virtual {
		for _, model := range v.Models {
			compiled[string(v.Name)] = append(compiled[string(v.Name)], string(model))
		}
	}
	return compiled
}

// level compiles a tenant's own part, and returns its sources.
func level(
	budget *v1alpha1.TenantBudget, policies []v1alpha1.RateLimitPolicy, grants []v1alpha1.BudgetGrant,
) (limiterv1.Level, []limiterv1.Source, field.ErrorList) {
	spec := field.NewPath("spec")
	moneyLimits, errs := moneyLimits(budget.Spec.Limits, budget.Spec.Currency, spec.Child("limits"))
	zone, err := timeZone(budget.Spec.TimeZone, spec.Child("timeZone"))
	if err != nil {
		errs = append(errs, err)
	}
	if currency := budget.Spec.Currency; currency != nil {
		if _, err := time.Parse(time.DateOnly, currency.AsOf); err != nil {
			errs = append(errs, field.Invalid(spec.Child("currency", "asOf"), currency.AsOf, `must be a date, such as "2026-10-01"`))
		}
	}
	if len(errs) > 0 {
		return limiterv1.Level{}, nil, errs
	}
	rungs, errs := ladder(budget.Spec.Ladder, spec.Child("ladder"))
	if len(errs) > 0 {
		return limiterv1.Level{}, nil, errs
	}
	if errs := allowedChildren(budget.Spec.AllowedChildren, spec.Child("allowedChildren")); len(errs) > 0 {
		return limiterv1.Level{}, nil, errs
	}
	sources := []limiterv1.Source{source(kindTenantBudget, budget)}
	level := limiterv1.Level{
		Tenant:   budget.Spec.Tenant,
		TimeZone: zone,
		Money:    moneyLimits,
		Rates:    []limiterv1.RateLimit{},
		Ladder:   rungs,

		OutputCaps: outputCaps(budget.Spec.OutputCaps),
		Contact:    budget.Spec.Contact,
	}
	if breaker := budget.Spec.Breaker; breaker != nil {
		level.Forced, level.ForcedReason = limiterv1.BreakerState(breaker.Forced), breaker.Reason
	}
	if budget.Spec.Enforcement == v1alpha1.EnforcementShadow {
		level.Enforcement = limiterv1.Shadow
	}
	if budget.Spec.OnStoreLoss == v1alpha1.StoreLossAllowBounded {
		level.StoreLossPercent = ptr.Deref(budget.Spec.StoreLossPercent, 1)
	}
	for _, policy := range Applying(budget.Namespace, policies) {
		rates, _ := Policy(&policy, budget.Namespace)
		sources = append(sources, source(kindRateLimitPolicy, &policy))
		level.Rates = append(level.Rates, rates...)
	}
	return level, append(sources, grant(&level, budget, grants)...), nil
}

// defaultZone is the zone of a budget that names none, as in the CRD.
const defaultZone = "UTC"

func timeZone(name string, path *field.Path) (string, *field.Error) {
	zone := cmp.Or(name, defaultZone)
	if _, err := period.Zone(zone); err != nil || isOfMachine(zone) {
		return "", field.Invalid(path, name,
			`unknown time zone: use an IANA name such as "America/Argentina/Buenos_Aires" or "UTC"`)
	}
	return zone, nil
}

// isOfMachine reports whether a zone's name can be loaded but is not one of IANA's: its
// meaning would depend on the machine.
func isOfMachine(zone string) bool {
	switch directory, _, _ := strings.Cut(zone, "/"); directory {
	case "Local", "localtime", "posixrules", "posix", "right":
		return true
	}
	return strings.Contains(zone, "//") || strings.HasSuffix(zone, "/")
}

func moneyLimits(
	limits []v1alpha1.MoneyLimit, currency *v1alpha1.Currency, path *field.Path,
) ([]limiterv1.MoneyLimit, field.ErrorList) {
	var errs field.ErrorList
	compiled := make([]limiterv1.MoneyLimit, 0, len(limits))
	for i, limit := range limits {
		amount, err := dollars(limit.Amount, currency, path.Index(i).Child("amount"))
		if err != nil {
			errs = append(errs, err)
		}
		kind := period.Kind(limit.Period)
		if err := kind.Validate(); err != nil {
			errs = append(errs, field.Invalid(path.Index(i).Child("period"), limit.Period, err.Error()))
		}
		compiled = append(compiled, limiterv1.MoneyLimit{
			Name:     limit.Name,
			Per:      limiterv1.Scope(cmp.Or(limit.Per, v1alpha1.ScopeTenant)),
			Period:   kind,
			Amount:   amount,
			Selector: selector(limit.Tiers, limit.Models, limit.Groups, limit.Labels),
		})
	}
	return compiled, errs
}

// selector sorts its names, so that their order in the resource does not matter.
func selector(
	tiers []v1alpha1.Tier, models []v1alpha1.ModelName, groups []v1alpha1.Group, labels v1alpha1.CallerLabels,
) limiterv1.Selector {
	return limiterv1.Selector{Tiers: callers.Sorted(tiers), Models: callers.Sorted(models), Groups: callers.Sorted(groups), Labels: callers.Labels(labels)}
}

// Dollars converts an amount that is written in a budget's currency, nil for US dollars, into US
// dollars. It is not ok for an invalid amount.
func Dollars(amount v1alpha1.Amount, currency *v1alpha1.Currency) (nanos money.Nanos, ok bool) {
	nanos, err := dollars(amount, currency, nil)
	return nanos, err == nil
}

// dollars converts an amount that is written in the budget's currency into US dollars.
func dollars(amount v1alpha1.Amount, currency *v1alpha1.Currency, path *field.Path) (money.Nanos, *field.Error) {
	nanos, err := money.Parse(string(amount))
	if err != nil {
		return 0, field.Invalid(path, amount, err.Error())
	}
	if currency == nil {
		return nanos, nil
	}
	rate, err := money.ParseRate(currency.USDPerUnit)
	if err != nil {
		return 0, field.Invalid(field.NewPath("spec", "currency", "usdPerUnit"), currency.USDPerUnit, err.Error())
	}
	if nanos, err = rate.ToUSD(nanos); err != nil {
		return 0, field.Invalid(path, amount, err.Error())
	}
	return nanos, nil
}

func ladder(rungs []v1alpha1.Rung, path *field.Path) ([]limiterv1.Rung, field.ErrorList) {
	var errs field.ErrorList
	compiled := make([]limiterv1.Rung, 0, len(rungs))
	for i, rung := range rungs {
		r := limiterv1.Rung{AtPercent: rung.AtPercent, Action: limiterv1.Action(rung.Action)}
		for _, replacement := range rung.Models {
			if r.Models == nil {
				r.Models = map[string]string{}
			}
			r.Models[string(replacement.From)] = string(replacement.To)
		}
		fallbacks, fallbackErrs := fallbacks(rung, path.Index(i))
		r.Fallbacks, errs = fallbacks, append(errs, fallbackErrs...)
		compiled = append(compiled, r)
	}
	slices.SortStableFunc(compiled, func(a, b limiterv1.Rung) int { return cmp.Compare(a.AtPercent, b.AtPercent) })
	return compiled, errs
}
