package v1alpha1_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

func budget(change func(*v1alpha1.TenantBudgetSpec)) client.Object {
	b := &v1alpha1.TenantBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "it"},
		Spec: v1alpha1.TenantBudgetSpec{
			Tenant: "acme",
			Limits: []v1alpha1.MoneyLimit{{Name: "daily", Period: "Day", Amount: "5.00"}},
		},
	}
	change(&b.Spec)
	return b
}

func amount(a v1alpha1.Amount) client.Object {
	return budget(func(s *v1alpha1.TenantBudgetSpec) { s.Limits[0].Amount = a })
}

func limit(change func(*v1alpha1.MoneyLimit)) client.Object {
	return budget(func(s *v1alpha1.TenantBudgetSpec) { change(&s.Limits[0]) })
}

func period(kind string) client.Object {
	return limit(func(l *v1alpha1.MoneyLimit) { l.Period = kind })
}

// twoLimits are two limits that differ in name and amount, and in what is changed.
func twoLimits(change func(a, b *v1alpha1.MoneyLimit)) client.Object {
	return budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.Limits = append(s.Limits, v1alpha1.MoneyLimit{Name: "another", Period: "Day", Amount: "6.00"})
		change(&s.Limits[0], &s.Limits[1])
	})
}

func virtual(models ...v1alpha1.ModelName) client.Object {
	return budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.VirtualModels = []v1alpha1.VirtualModel{{Name: "auto", Models: append([]v1alpha1.ModelName{}, models...)}}
	})
}

func ladder(rungs ...v1alpha1.Rung) client.Object {
	return budget(func(s *v1alpha1.TenantBudgetSpec) { s.Ladder = rungs })
}

// trip is a ladder of one rung, of action Trip unless that is changed.
func trip(change func(*v1alpha1.Rung)) client.Object {
	rung := v1alpha1.Rung{AtPercent: 90, Action: "Trip"}
	change(&rung)
	return ladder(rung)
}

func currency(code, rate, asOf string) client.Object {
	return budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.Currency = &v1alpha1.Currency{Code: code, USDPerUnit: rate, AsOf: asOf}
	})
}

func cached(maxAge string) client.Object {
	return trip(func(r *v1alpha1.Rung) {
		r.Fallback, r.Cache = []v1alpha1.Fallback{"Cache"}, &v1alpha1.CacheFallback{MaxAge: maxAge}
	})
}

var cheaper = []v1alpha1.Replacement{{From: "gpt-4o", To: "gpt-4o-mini"}}

var _ = DescribeTable("of a TenantBudget, refuses", refused,
	Entry("a status that is no refusal for money", budget(func(s *v1alpha1.TenantBudgetSpec) { s.BudgetRefusalStatus = 418 }),
		"spec.budgetRefusalStatus", `supported values: "402", "429"`),
	Entry("US dollars as a currency", currency("USD", "1", "2026-10-01"), "spec.currency.code", "for US dollars, leave out currency"),
	Entry("a currency in lower case", currency("eur", "1.085", "2026-10-01"), "spec.currency.code", "must be the code of a currency"),
	Entry("a rate of nothing", currency("EUR", "0.000", "2026-10-01"), "spec.currency.usdPerUnit", "must be US dollars for one unit of the currency"),
	Entry("a rate that is too large", currency("EUR", "1000.000000001", "2026-10-01"), "spec.currency.usdPerUnit", "not above 1000"),
	Entry("a rate finer than a nano-dollar", currency("EUR", "1.0000000001", "2026-10-01"), "spec.currency.usdPerUnit", "at most 9 digits after the point"),
	Entry("a rate of no date", currency("EUR", "1.085", "lately"), "spec.currency.asOf", "must be a date"),
	Entry("a rate of a day that there is not", currency("EUR", "1.085", "2026-13-01"), "spec.currency.asOf", "must be a date"),
	Entry("an amount below zero", amount("-5.00"), "spec.limits[0].amount", "must not be negative"),
	Entry("an amount in words", amount("five"), "spec.limits[0].amount", "must be a decimal number of US dollars"),
	Entry("an amount with a currency", amount("$5.00"), "spec.limits[0].amount", "must be a decimal number of US dollars"),
	Entry("an amount with an exponent", amount("5e3"), "spec.limits[0].amount", "must be a decimal number of US dollars"),
	Entry("an amount with a comma", amount("1,000"), "spec.limits[0].amount", "must be a decimal number of US dollars"),
	Entry("an amount with a plus", amount("+5"), "spec.limits[0].amount", "must be a decimal number of US dollars"),
	Entry("an amount that ends in a point", amount("5."), "spec.limits[0].amount", "must be a decimal number of US dollars"),
	Entry("an amount with a line after it", amount("5\n"), "spec.limits[0].amount", "must be a decimal number of US dollars"),
	Entry("an amount finer than a nano-dollar", amount("0.0000000001"), "spec.limits[0].amount", "at most 9 digits after the point"),
	Entry("an amount that is too large", amount("9000001"), "spec.limits[0].amount", "at most 9000000 US dollars"),
	Entry("an amount that is too large by a nano-dollar", amount("9000000.000000001"), "spec.limits[0].amount", "at most 9000000 US dollars"),
	Entry("an empty amount", amount(""), "spec.limits[0].amount", "should be at least 1 chars long"),
	Entry("a tenant with capitals", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Tenant = "Acme" }),
		"spec.tenant", "must be lower-case letters, digits and hyphens"),
	Entry("a tenant that ends in a hyphen", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Tenant = "acme-" }),
		"spec.tenant", "must be lower-case letters, digits and hyphens"),
	Entry("no tenant", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Tenant = "" }),
		"spec.tenant", "should be at least 1 chars long"),
	Entry("a virtual model of none", virtual(), "spec.virtualModels[0].models", "should have at least 1 items"),
	Entry("a virtual model that names one twice", virtual("gpt-4o", "gpt-4o"), "spec.virtualModels[0].models", "must not name a model twice"),
	Entry("a virtual model with blanks", virtual("gpt 4o"), "spec.virtualModels[0].models[0]", "must be a model name"),
	Entry("no limits", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Limits = []v1alpha1.MoneyLimit{} }),
		"spec.limits", "should have at least 1 items"),
	Entry("two limits of a name", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Limits = append(s.Limits, s.Limits[0]) }),
		"spec.limits[1]", "Duplicate value"),
	Entry("a limit's name with a dot", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Limits[0].Name = "a.b" }),
		"spec.limits[0].name", "must be lower-case letters, digits and hyphens"),
	Entry("a period that does not exist", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Limits[0].Period = "Fortnight" }),
		"spec.limits[0].period", "must be Minute, Hour,"),
	Entry("a window as a period that is too short", period("0s"), "spec.limits[0].period", "between 1s and 24h"),
	Entry("a window as a period that is too long", period("24h1s"), "spec.limits[0].period", "between 1s and 24h"),
	Entry("a window as a period that is not whole seconds", period("1500ms"), "spec.limits[0].period", "whole seconds"),
	Entry("a window as a period with a fraction", period("1.5m"), "spec.limits[0].period", "whole seconds"),
	Entry("a window as a period without a unit", period("60"), "spec.limits[0].period", "such as \"5m\""),
	Entry("a window as a period into the past", period("-5m"), "spec.limits[0].period", "such as \"5m\""),
	Entry("a window as a period longer than can be said", period("99999999999999h"), "spec.limits[0].period", ""),
	Entry("two limits that count the same", twoLimits(func(a, b *v1alpha1.MoneyLimit) {}),
		"spec.limits", "must not have two limits with the same period, per, tiers, models, groups and labels"),
	Entry("two limits that count the same window", twoLimits(func(a, b *v1alpha1.MoneyLimit) { a.Period, b.Period = "5m", "5m" }),
		"spec.limits", "must not have two limits with the same period, per, tiers, models, groups and labels"),
	Entry("two limits that count the same tiers and models, in whatever order", twoLimits(func(a, b *v1alpha1.MoneyLimit) {
		a.Tiers, b.Tiers = []v1alpha1.Tier{"gerente", "empleado"}, []v1alpha1.Tier{"empleado", "gerente"}
		a.Models, b.Models = []v1alpha1.ModelName{"gpt-4o", "o1"}, []v1alpha1.ModelName{"o1", "gpt-4o"}
	}), "spec.limits", "must not have two limits with the same period, per, tiers, models, groups and labels"),
	Entry("two limits that count the same groups and labels, in whatever order", twoLimits(func(a, b *v1alpha1.MoneyLimit) {
		a.Per, b.Per = v1alpha1.ScopeGroup, v1alpha1.ScopeGroup
		a.Groups, b.Groups = []v1alpha1.Group{"research", "eu"}, []v1alpha1.Group{"eu", "research"}
		a.Labels, b.Labels = v1alpha1.CallerLabels{"team": "a", "site": "b"}, v1alpha1.CallerLabels{"site": "b", "team": "a"}
	}), "spec.limits", "must not have two limits with the same period, per, tiers, models, groups and labels"),
	Entry("a limit per nothing known", limit(func(l *v1alpha1.MoneyLimit) { l.Per = "Team" }), "spec.limits[0].per", "supported values"),
	Entry("a money limit's group twice", limit(func(l *v1alpha1.MoneyLimit) { l.Groups = []v1alpha1.Group{"eu", "eu"} }),
		"spec.limits[0].groups[1]", "Duplicate value"),
	Entry("a money limit's group that is too long", limit(func(l *v1alpha1.MoneyLimit) { l.Groups = []v1alpha1.Group{v1alpha1.Group(strings.Repeat("g", 257))} }),
		"spec.limits[0].groups[0]", "Too long"),
	Entry("more groups than a limit may have", limit(func(l *v1alpha1.MoneyLimit) { l.Groups = groups(17) }),
		"spec.limits[0].groups", "must have at most 16 items"),
	Entry("a money limit's label that cannot be", limit(func(l *v1alpha1.MoneyLimit) { l.Labels = v1alpha1.CallerLabels{"cost centre": "4711"} }),
		"spec.limits[0].labels", "must have names of letters, digits"),
	Entry("a money limit's label without a value", limit(func(l *v1alpha1.MoneyLimit) { l.Labels = v1alpha1.CallerLabels{"team": ""} }),
		"spec.limits[0].labels.team", "should be at least 1 chars long"),
	Entry("more labels than a limit may have", limit(func(l *v1alpha1.MoneyLimit) { l.Labels = labels(9) }),
		"spec.limits[0].labels", "must have at most 8 items"),
	Entry("a money limit's tier twice", limit(func(l *v1alpha1.MoneyLimit) { l.Tiers = []v1alpha1.Tier{"gerente", "gerente"} }),
		"spec.limits[0].tiers[1]", "Duplicate value"),
	Entry("a money limit's model that cannot be", limit(func(l *v1alpha1.MoneyLimit) { l.Models = []v1alpha1.ModelName{"gpt 4o"} }),
		"spec.limits[0].models[0]", "must be a model name"),
	Entry("children of selected namespaces, without a selector", budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.AllowedChildren = &v1alpha1.AllowedChildren{Namespaces: v1alpha1.Namespaces{From: v1alpha1.NamespacesSelector}}
	}), "spec.allowedChildren.namespaces", "must set selector with from: Selector, and only then"),
	Entry("a selector of namespaces that nobody asks", budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.AllowedChildren = &v1alpha1.AllowedChildren{Namespaces: v1alpha1.Namespaces{Selector: &v1alpha1.LabelSelector{}}}
	}), "spec.allowedChildren.namespaces", "must set selector with from: Selector, and only then"),
	Entry("a parent without a name", budget(func(s *v1alpha1.TenantBudgetSpec) { s.ParentRef = &v1alpha1.ParentRef{Namespace: "globex"} }),
		"spec.parentRef.name", "should be at least 1 chars long"),
	Entry("a breaker forced half open", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Breaker = &v1alpha1.Breaker{Forced: "HalfOpen"} }),
		"spec.breaker.forced", "Unsupported value"),
	Entry("enforcement of the third kind", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Enforcement = "Audit" }),
		"spec.enforcement", "Unsupported value"),
	Entry("models priced as nobody knows", budget(func(s *v1alpha1.TenantBudgetSpec) { s.UnknownModel = "Allow" }),
		"spec.unknownModel", "Unsupported value"),
	Entry("a store that is lost in a third way", budget(func(s *v1alpha1.TenantBudgetSpec) { s.OnStoreLoss = "AllowAll" }),
		"spec.onStoreLoss", "Unsupported value"),
	Entry("a share that nothing is admitted from", budget(func(s *v1alpha1.TenantBudgetSpec) { s.StoreLossPercent = ptr.To[int32](5) }),
		"spec.storeLossPercent", "requires onStoreLoss: AllowBounded"),
	Entry("a share of everything", budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.OnStoreLoss, s.StoreLossPercent = v1alpha1.StoreLossAllowBounded, ptr.To[int32](100)
	}), "spec.storeLossPercent", "should be less than or equal to 50"),
	Entry("calls assumed to say nothing", budget(func(s *v1alpha1.TenantBudgetSpec) { s.AssumedOutputTokens = ptr.To[int64](0) }),
		"spec.assumedOutputTokens", "should be greater than or equal to 1"),
	Entry("a cap too low for some providers", budget(func(s *v1alpha1.TenantBudgetSpec) { s.OutputCaps = []v1alpha1.OutputCap{{MaxOutputTokens: 15}} }),
		"spec.outputCaps[0].maxOutputTokens", "should be greater than or equal to 16"),
	Entry("two caps of the same calls", budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.OutputCaps = []v1alpha1.OutputCap{
			{MaxOutputTokens: 16, Tiers: []v1alpha1.Tier{"a"}}, {MaxOutputTokens: 16}, {MaxOutputTokens: 20, Tiers: []v1alpha1.Tier{"a"}},
		}
	}), "spec.outputCaps", "must not have two caps with the same tiers, models, groups and labels"),
	Entry("a fit of nothing", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Fit = &v1alpha1.Fit{MinOutputTokens: 15} }),
		"spec.fit.minOutputTokens", "should be greater than or equal to 16"),
	Entry("a fit that is not known", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Fit = &v1alpha1.Fit{Mode: "Off"} }),
		"spec.fit.mode", "Unsupported value"),
	Entry("a limit per nobody", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Limits[0].Per = "Team" }),
		"spec.limits[0].per", "Unsupported value"),
	Entry("a time zone with blanks", budget(func(s *v1alpha1.TenantBudgetSpec) { s.TimeZone = "Buenos Aires" }),
		"spec.timeZone", "must be the IANA name of a time zone"),
	Entry("the time zone of whatever machine this is", budget(func(s *v1alpha1.TenantBudgetSpec) { s.TimeZone = "Local" }),
		"spec.timeZone", "must be the IANA name of a time zone"),
	Entry("two rungs at one percentage", budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.Ladder = []v1alpha1.Rung{{AtPercent: 80, Action: "Warn"}, {AtPercent: 80, Action: "Trip"}}
	}), "spec.ladder", "must not have two rungs at the same atPercent"),
	Entry("two rungs that trip", budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.Ladder = []v1alpha1.Rung{{AtPercent: 80, Action: "Trip"}, {AtPercent: 90, Action: "Trip"}}
	}), "spec.ladder", "must have at most one rung with action Trip"),
	Entry("a rung at nothing", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Ladder = []v1alpha1.Rung{{AtPercent: 0, Action: "Warn"}} }),
		"spec.ladder[0].atPercent", "should be greater than or equal to 1"),
	Entry("a rung above the limit", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Ladder = []v1alpha1.Rung{{AtPercent: 101, Action: "Warn"}} }),
		"spec.ladder[0].atPercent", "should be less than or equal to 100"),
	Entry("a rung that does nothing known", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Ladder = []v1alpha1.Rung{{AtPercent: 80, Action: "Panic"}} }),
		"spec.ladder[0].action", "Unsupported value"),
	Entry("a downgrade to nothing", ladder(v1alpha1.Rung{AtPercent: 85, Action: "Downgrade"}),
		"spec.ladder[0]", "must set models with action Downgrade, and only then"),
	Entry("a warning with models", ladder(v1alpha1.Rung{AtPercent: 80, Action: "Warn", Models: cheaper}),
		"spec.ladder[0]", "must set models with action Downgrade, and only then"),
	Entry("a fallback that nobody knows", trip(func(r *v1alpha1.Rung) { r.Fallback = []v1alpha1.Fallback{"Prayer"} }),
		"spec.ladder[0].fallback[0]", "Unsupported value"),
	Entry("a fallback twice", trip(func(r *v1alpha1.Rung) { r.Fallback = []v1alpha1.Fallback{"Cache", "Cache"} }),
		"spec.ladder[0].fallback[1]", "Duplicate value"),
	Entry("a warning with a fallback", trip(func(r *v1alpha1.Rung) { r.Action, r.Fallback = "Warn", []v1alpha1.Fallback{"Cache"} }),
		"spec.ladder[0]", "must set fallback only with action Trip"),
	Entry("a message that is not said", trip(func(r *v1alpha1.Rung) { r.Fallback = []v1alpha1.Fallback{"Message"} }),
		"spec.ladder[0]", "must set message with Message in fallback"),
	Entry("a message that is never given", trip(func(r *v1alpha1.Rung) { r.Message = "The budget is used up." }),
		"spec.ladder[0]", "must set message with Message in fallback"),
	Entry("a message that is too long", trip(func(r *v1alpha1.Rung) {
		r.Fallback, r.Message = []v1alpha1.Fallback{"Message"}, strings.Repeat("x", 2049)
	}), "spec.ladder[0].message", "may not be more than 2048"),
	Entry("something after the message", trip(func(r *v1alpha1.Rung) {
		r.Fallback, r.Message = []v1alpha1.Fallback{"Message", "Cache"}, "The budget is used up."
	}), "spec.ladder[0]", "must list Message last in fallback"),
	Entry("a cache that is not used", trip(func(r *v1alpha1.Rung) { r.Cache = &v1alpha1.CacheFallback{MaxAge: "1h"} }),
		"spec.ladder[0]", "must set cache only with Cache in fallback"),
	Entry("a choice of models that is not used", trip(func(r *v1alpha1.Rung) { r.CheapestModel = &v1alpha1.CheapestModelFallback{} }),
		"spec.ladder[0]", "must set cheapestModel only with CheapestModel in fallback"),
	Entry("answers of no age", cached("0s"), "spec.ladder[0].cache.maxAge", "between 1s and 24h"),
	Entry("answers that are too old", cached("24h1s"), "spec.ladder[0].cache.maxAge", "between 1s and 24h"),
	Entry("answers of an age without a unit", cached("60"), "spec.ladder[0].cache.maxAge", "such as \"1h\""),
	Entry("answers of an age that is not whole seconds", cached("1500ms"), "spec.ladder[0].cache.maxAge", "whole seconds"),
	Entry("two rungs that downgrade", ladder(
		v1alpha1.Rung{AtPercent: 70, Action: "Downgrade", Models: cheaper}, v1alpha1.Rung{AtPercent: 80, Action: "Downgrade", Models: cheaper}),
		"spec.ladder", "must have at most one rung with action Downgrade"),
	Entry("a downgrade after the emergency stop", ladder(
		v1alpha1.Rung{AtPercent: 90, Action: "Trip"}, v1alpha1.Rung{AtPercent: 95, Action: "Downgrade", Models: cheaper}),
		"spec.ladder", "at a lower atPercent than the one with action Trip"),
	Entry("a model replaced by itself", ladder(v1alpha1.Rung{AtPercent: 80, Action: "Downgrade", Models: []v1alpha1.Replacement{{From: "gpt-4o", To: "gpt-4o"}}}),
		"spec.ladder[0].models[0]", "must replace a model by another: from and to are the same"),
	Entry("a model replaced twice", ladder(v1alpha1.Rung{AtPercent: 80, Action: "Downgrade", Models: []v1alpha1.Replacement{
		{From: "gpt-4o", To: "gpt-4o-mini"}, {From: "gpt-4o", To: "o1"}}}),
		"spec.ladder[0].models[1]", "Duplicate value"),
	Entry("a model replaced by one that cannot be", ladder(v1alpha1.Rung{AtPercent: 80, Action: "Downgrade", Models: []v1alpha1.Replacement{
		{From: "gpt-4o", To: "a cheap one"}}}),
		"spec.ladder[0].models[0].to", "must be a model name"),
)

var _ = DescribeTable("of a TenantBudget, takes", taken,
	Entry("a budget of one limit", budget(asIs)),
	Entry("an amount of nothing", amount("0")),
	Entry("an amount of a nano-dollar", amount("0.000000001")),
	Entry("the largest amount", amount("9000000.000000000")),
	Entry("a currency", currency("JPY", "0.006612345", "2026-10-01")),
	Entry("every period", budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.Limits = nil
		for _, period := range []string{"Minute", "Hour", "Day", "Week", "Month", "Quarter", "Year"} {
			s.Limits = append(s.Limits, v1alpha1.MoneyLimit{Name: strings.ToLower(period), Period: period, Amount: "1"})
		}
	})),
	Entry("the shortest window as a period", period("1s")),
	Entry("the longest window as a period", period("23h59m60s")),
	Entry("two limits of one period, for different tiers", twoLimits(func(a, b *v1alpha1.MoneyLimit) {
		a.Tiers, b.Tiers = []v1alpha1.Tier{"gerente"}, []v1alpha1.Tier{"empleado"}
	})),
	Entry("two limits of one period, for one model and for all", twoLimits(func(a, b *v1alpha1.MoneyLimit) {
		a.Models = []v1alpha1.ModelName{"gpt-4o"}
	})),
	Entry("two limits of one period, per tenant and per user", twoLimits(func(a, b *v1alpha1.MoneyLimit) { b.Per = v1alpha1.ScopeUser })),
	Entry("limits per group and per key, and of labels", budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.Limits = append(s.Limits,
			v1alpha1.MoneyLimit{Name: "each-group", Period: "Day", Amount: "1", Per: v1alpha1.ScopeGroup},
			v1alpha1.MoneyLimit{Name: "teams", Period: "Day", Amount: "1", Per: v1alpha1.ScopeGroup, Groups: groups(16)},
			v1alpha1.MoneyLimit{Name: "each-key", Period: "Day", Amount: "1", Per: v1alpha1.ScopeKey, Tiers: []v1alpha1.Tier{"ci"}},
			v1alpha1.MoneyLimit{Name: "search", Period: "Day", Amount: "1", Labels: labels(8)})
	})),
	Entry("as many limits of as many tiers and models as there may be", budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.Limits = nil
		for i := range 16 {
			l := v1alpha1.MoneyLimit{Name: "limit-" + string(rune('a'+i)), Period: "24h", Amount: "1"}
			for j := range 16 {
				l.Tiers = append(l.Tiers, v1alpha1.Tier(strings.Repeat(string(rune('a'+j)), 47+i)))
				l.Models = append(l.Models, v1alpha1.ModelName(strings.Repeat(string(rune('a'+j)), 112+i)))
				l.Groups = append(l.Groups, v1alpha1.Group(strings.Repeat(string(rune('a'+j)), 240+i)))
			}
			l.Labels = labels(8)
			s.Limits = append(s.Limits, l)
		}
	})),
	Entry("a budget with a parent", budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.ParentRef = &v1alpha1.ParentRef{Name: "company", Namespace: "globex"}
	})),
	Entry("a ladder that warns, downgrades and trips", ladder(
		v1alpha1.Rung{AtPercent: 90, Action: "Trip"}, v1alpha1.Rung{AtPercent: 85, Action: "Downgrade", Models: cheaper},
		v1alpha1.Rung{AtPercent: 80, Action: "Warn"})),
	Entry("a Trip rung with all fallbacks", trip(func(r *v1alpha1.Rung) {
		r.Fallback, r.Message = []v1alpha1.Fallback{"Cache", "CheapestModel", "Message"}, strings.Repeat("¡", 2048)
		r.Cache = &v1alpha1.CacheFallback{MaxAge: "23h59m60s"}
		r.CheapestModel = &v1alpha1.CheapestModelFallback{Models: []v1alpha1.ModelName{"gpt-4o-mini", "local"}}
	})),
	Entry("a Trip rung with a fallback and nothing said of it", trip(func(r *v1alpha1.Rung) {
		r.Fallback = []v1alpha1.Fallback{"CheapestModel", "Cache"}
	})),
	Entry("a ladder that only downgrades", ladder(v1alpha1.Rung{AtPercent: 100, Action: "Downgrade", Models: cheaper})),
	Entry("a breaker forced open, in shadow", budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.Breaker, s.Enforcement = &v1alpha1.Breaker{Forced: "Open"}, "Shadow"
		s.AssumedOutputTokens = ptr.To[int64](1)
	})),
	Entry("caps on output, which may overlap", budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.OutputCaps = []v1alpha1.OutputCap{
			{MaxOutputTokens: 16}, {MaxOutputTokens: 16, Tiers: []v1alpha1.Tier{"a"}}, {MaxOutputTokens: 16, Models: []v1alpha1.ModelName{"a"}},
		}
		s.Fit = &v1alpha1.Fit{Mode: v1alpha1.FitRefuse}
	})),
	Entry("a breaker left to itself", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Breaker = &v1alpha1.Breaker{} })),
	Entry("a zone with a sign", budget(func(s *v1alpha1.TenantBudgetSpec) { s.TimeZone = "Etc/GMT+3" })),
	Entry("a virtual model", virtual("gpt-4o", "gpt-4o-mini")),
)

// groups are so many groups, and labels so many labels, of the largest size.
func groups(n int) (all []v1alpha1.Group) {
	for i := range n {
		all = append(all, v1alpha1.Group(strings.Repeat("g", 255)+string(rune('a'+i))))
	}
	return all
}

func labels(n int) v1alpha1.CallerLabels {
	all := v1alpha1.CallerLabels{}
	for i := range n {
		all[strings.Repeat("l", 62)+string(rune('a'+i))] = v1alpha1.CallerLabel(strings.Repeat("é", 256))
	}
	return all
}
