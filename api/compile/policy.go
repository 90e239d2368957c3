package compile

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/callers"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Policy compiles the limits of a RateLimitPolicy for a TenantBudget in a namespace. In
// the document, a limit is named "policy/limit" or, if the policy is of another
// namespace, "namespace/policy/limit". Neither a namespace nor a name has a slash, so
// no two limits of a tenant share a name, and a bucket. A tenant cannot waive what
// another namespace imposes.
func Policy(policy *v1alpha1.RateLimitPolicy, namespace string) ([]limiterv1.RateLimit, field.ErrorList) {
	spec := field.NewPath("spec")
	errs := targetSelector(policy.Spec.TargetSelector, spec.Child("targetSelector"))
	prefix := policy.Name + "/"
	if policy.Namespace != namespace {
		prefix = policy.Namespace + "/" + prefix
	}
	compiled := make([]limiterv1.RateLimit, 0, len(policy.Spec.Limits))
	for i, limit := range policy.Spec.Limits {
		rate, limitErrs := rateLimit(limit, spec.Child("limits").Index(i))
		rate.Name, rate.Imposed = prefix+limit.Name, policy.Namespace != namespace
		compiled = append(compiled, rate)
		errs = append(errs, limitErrs...)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return compiled, nil
}

func rateLimit(limit v1alpha1.RateLimit, path *field.Path) (limiterv1.RateLimit, field.ErrorList) {
	var errs field.ErrorList
	rate := limiterv1.RateLimit{Per: limiterv1.Scope(limit.Per), Selector: selector(limit.Tiers, limit.Models, limit.Groups, limit.Labels)}

	countPath := path.Child("requests")
	switch requests, tokens, concurrent := limit.Requests, limit.Tokens, limit.Concurrent; {
	case requests != nil && tokens == nil && concurrent == nil:
		rate.Unit, rate.Count = limiterv1.Requests, *requests
	case tokens != nil && requests == nil && concurrent == nil:
		rate.Unit, rate.Count = limiterv1.Tokens, *tokens
		countPath = path.Child("tokens")
	case concurrent != nil && requests == nil && tokens == nil:
		return inFlight(limit, rate, path)
	default:
		return rate, append(errs, field.Invalid(path, limit.Name, "must set exactly one of requests, tokens and concurrent"))
	}
	rate.Burst = ptr.Deref(limit.Burst, rate.Count)

	window, err := time.ParseDuration(limit.Window)
	if err != nil || window < time.Millisecond {
		return rate, append(errs, field.Invalid(path.Child("window"), limit.Window, `must be a duration between 1s and 24h, such as "1m"`))
	}
	rate.Window = limiterv1.Duration(window.Milliseconds())

	errs = append(errs, countable(rate.Count, rate.Window, countPath)...)
	if limit.Burst != nil {
		errs = append(errs, countable(rate.Burst, rate.Window, path.Child("burst"))...)
	}
	return rate, errs
}

// inFlight compiles a limit of the calls that are in flight at once.
func inFlight(limit v1alpha1.RateLimit, rate limiterv1.RateLimit, path *field.Path) (limiterv1.RateLimit, field.ErrorList) {
	rate.Unit, rate.Burst = limiterv1.InFlight, *limit.Concurrent
	var errs field.ErrorList
	if rate.Burst < 1 || rate.Burst > limiterv1.MaxPoints {
		errs = append(errs, field.Invalid(path.Child("concurrent"), rate.Burst, "must be at least 1 and small enough to be counted exactly"))
	}
	if limit.Window != "" {
		errs = append(errs, field.Invalid(path.Child("window"), limit.Window, "must not be set with concurrent"))
	}
	if limit.Burst != nil {
		errs = append(errs, field.Invalid(path.Child("burst"), *limit.Burst, "must not be set with concurrent"))
	}
	return rate, errs
}

// countable reports units that the limiter could not count exactly.
func countable(units int64, window limiterv1.Duration, path *field.Path) field.ErrorList {
	most := limiterv1.MaxPoints / window.Milliseconds()
	switch {
	case units < 1:
		return field.ErrorList{field.Invalid(path, units, "must be at least 1")}
	case units > most:
		return field.ErrorList{field.Invalid(path, units, fmt.Sprintf(
			"is too large to be counted exactly in a window of %s: use %d or less, or a shorter window",
			window.Std(), most))}
	}
	return nil
}

// limitedTiers are the demands that policies make on the tiers of a TenantBudget's users.
func limitedTiers(namespace string, policies []v1alpha1.RateLimitPolicy) []limiterv1.LimitedTiers {
	var all []limiterv1.LimitedTiers
	for i := range policies {
		policy := &policies[i]
		tiers, isAny := tiersLimitedBy(policy.Spec.Limits)
		if policy.Spec.UnlimitedTiers != v1alpha1.UnlimitedTiersDeny || isAny {
			continue
		}
		limited := limiterv1.LimitedTiers{Policy: policy.Name, Tiers: tiers, Imposed: policy.Namespace != namespace}
		if limited.Imposed {
			limited.Policy = policy.Namespace + "/" + policy.Name
		}
		all = append(all, limited)
	}
	return all
}

// tiersLimitedBy are the tiers whose users have limits of requests or tokens. isAny is set if
// such a limit names no tiers.
func tiersLimitedBy(limits []v1alpha1.RateLimit) (tiers []string, isAny bool) {
	tiers = []string{}
	for _, limit := range limits {
		if limit.Per != v1alpha1.ScopeUser || limit.Concurrent != nil || len(limit.Groups) > 0 || len(limit.Labels) > 0 {
			continue
		}
		if len(limit.Tiers) == 0 {
			return nil, true
		}
		tiers = append(tiers, callers.Sorted(limit.Tiers)...)
	}
	slices.Sort(tiers)
	return slices.Compact(tiers), false
}
