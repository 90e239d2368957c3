package api

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/callers"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// What follows are changes that an admin of a tenant may not make: those that let the whole
// tenant spend, or call, more. The platform decides how much a tenant has, and the tenant's
// admins how it is shared within the tenant.

// reserved is the problem of a change of a budget that only admins of the platform may make; nil
// for any other change.
func reserved(was, is *v1alpha1.TenantBudgetSpec) error {
	for _, before := range was.Limits {
		if perOf(before.Per) != v1alpha1.ScopeTenant {
			continue
		}
		at := slices.IndexFunc(is.Limits, func(l v1alpha1.MoneyLimit) bool { return l.Name == before.Name })
		if at < 0 {
			return beyond("body.limits", fmt.Sprintf("must still have limit %s of the whole tenant", before.Name))
		}
		after, field := is.Limits[at], fmt.Sprintf("body.limits[%d]", at)
		switch {
		case perOf(after.Per) != v1alpha1.ScopeTenant, after.Period != before.Period:
			return beyond(field, fmt.Sprintf("must stay per Tenant and %s", before.Period))
		case !sameCalls(selectorOf(before.Tiers, before.Models, before.Groups, before.Labels), selectorOf(after.Tiers, after.Models, after.Groups, after.Labels)):
			return beyond(field, "must stay for the same tiers, models, groups and labels")
		case isMore(before.Amount, after.Amount):
			return beyond(field+".amount", fmt.Sprintf("must not be more than %s", before.Amount))
		}
	}
	return reservedOfLadder(was.Ladder, is.Ladder)
}

func reservedOfLadder(was, is []v1alpha1.Rung) error {
	before, at := tripOf(was), tripOf(is)
	switch {
	case before < 0:
		return nil
	case at < 0:
		return beyond("body.ladder", fmt.Sprintf("must still have a Trip rung, at %d %% at the most", was[before].AtPercent))
	case is[at].AtPercent > was[before].AtPercent:
		return beyond(fmt.Sprintf("body.ladder[%d].atPercent", at), fmt.Sprintf("must not be more than %d: the Trip rung may only be lowered", was[before].AtPercent))
	case slices.Contains(is[at].Fallback, v1alpha1.FallbackCheapestModel) && !slices.Contains(was[before].Fallback, v1alpha1.FallbackCheapestModel):
		return beyond(fmt.Sprintf("body.ladder[%d].fallback", at), "must not have CheapestModel, which spends beyond the Trip rung")
	case !haveAll(cheapestOf(is[at]), cheapestOf(was[before])):
		return beyond(fmt.Sprintf("body.ladder[%d].cheapestModel.models", at), "must keep all models to choose from: without the cheapest, more is spent beyond the Trip rung")
	}
	return nil
}

// cheapestOf are the models from which the fallback CheapestModel of a rung chooses; empty for
// all.
func cheapestOf(rung v1alpha1.Rung) []v1alpha1.ModelName {
	if rung.CheapestModel == nil {
		return nil
	}
	return rung.CheapestModel.Models
}

// haveAll reports whether models contain all earlier ones; an empty list stands for all models. A
// rung without the fallback has no models, because the API server refuses them there.
func haveAll(models, were []v1alpha1.ModelName) bool {
	if len(models) == 0 {
		return true
	}
	return len(were) > 0 && !slices.ContainsFunc(were, func(m v1alpha1.ModelName) bool { return !slices.Contains(models, m) })
}

func tripOf(ladder []v1alpha1.Rung) int {
	return slices.IndexFunc(ladder, func(r v1alpha1.Rung) bool { return r.Action == v1alpha1.ActionTrip })
}

// reservedOfRates is reserved for the limits of a RateLimitPolicy.
func reservedOfRates(was, is []v1alpha1.RateLimit) error {
	for _, before := range was {
		if before.Per != v1alpha1.ScopeTenant {
			continue
		}
		at := slices.IndexFunc(is, func(l v1alpha1.RateLimit) bool { return l.Name == before.Name })
		if at < 0 {
			return beyond("body.limits", fmt.Sprintf("must still have limit %s of the whole tenant", before.Name))
		}
		after, field := is[at], fmt.Sprintf("body.limits[%d]", at)
		unit, count := unitOf(before)
		unitAfter, countAfter := unitOf(after)
		switch {
		case after.Per != before.Per, after.Window != before.Window, unitAfter != unit:
			return beyond(field, fmt.Sprintf("must stay per Tenant, of %s, in the same window", unit))
		case !sameCalls(selectorOf(before.Tiers, before.Models, before.Groups, before.Labels), selectorOf(after.Tiers, after.Models, after.Groups, after.Labels)):
			return beyond(field, "must stay for the same tiers, models, groups and labels")
		case countAfter > count:
			return beyond(field+"."+unit, fmt.Sprintf("must not be more than %d", count))
		case ptr.Deref(after.Burst, countAfter) > ptr.Deref(before.Burst, count):
			return beyond(field+".burst", fmt.Sprintf("must not be more than %d", ptr.Deref(before.Burst, count)))
		}
	}
	return nil
}

// unitOf is what a rate limit counts, by the name of its field, and how many.
func unitOf(limit v1alpha1.RateLimit) (unit string, count int64) {
	switch {
	case limit.Requests != nil:
		return "requests", *limit.Requests
	case limit.Tokens != nil:
		return "tokens", *limit.Tokens
	}
	return "concurrent", ptr.Deref(limit.Concurrent, 0)
}

func perOf(per v1alpha1.Scope) v1alpha1.Scope { return cmp.Or(per, v1alpha1.ScopeTenant) }

func selectorOf(tiers []v1alpha1.Tier, models []v1alpha1.ModelName, groups []v1alpha1.Group, labels v1alpha1.CallerLabels) limiterv1.Selector {
	return limiterv1.Selector{Tiers: callers.Sorted(tiers), Models: callers.Sorted(models), Groups: callers.Sorted(groups), Labels: callers.Labels(labels)}
}

func sameCalls(a, b limiterv1.Selector) bool {
	return slices.Equal(a.Tiers, b.Tiers) && slices.Equal(a.Models, b.Models) && slices.Equal(a.Groups, b.Groups) && maps.Equal(a.Labels, b.Labels)
}

// isMore reports whether an amount is more than another, or cannot be compared with it; an invalid
// amount is for the API server to refuse.
func isMore(was, is v1alpha1.Amount) bool {
	before, err := money.Parse(string(was))
	after, wrong := money.Parse(string(is))
	return err == nil && wrong == nil && after > before
}

// beyond is the problem of a change that only admins of the platform may make.
func beyond(parameter, message string) error {
	p := problem(http.StatusForbidden, "beyond_tenant", "More than the tenant has",
		parameter+" "+message+": only admins of the platform let a tenant have more as a whole")
	p.Errors = []ParameterError{{parameter, message}}
	return p
}
