package compile

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// maxPoints is the most that a bucket may hold or gain in a window. The limiter
// counts a unit of a bucket as many points as its window has milliseconds, in
// doubles, which are exact up to here.
const maxPoints = 1 << 53

// Policy compiles the limits of a RateLimitPolicy. In the document, a limit is
// called "policy/limit".
func Policy(policy *v1alpha1.RateLimitPolicy) ([]limiterv1.RateLimit, field.ErrorList) {
	path := field.NewPath("spec", "limits")
	var errs field.ErrorList
	compiled := make([]limiterv1.RateLimit, 0, len(policy.Spec.Limits))
	for i, limit := range policy.Spec.Limits {
		rate, limitErrs := rateLimit(limit, path.Index(i))
		rate.Name = policy.Name + "/" + limit.Name
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
	rate := limiterv1.RateLimit{Per: limiterv1.Scope(limit.Per)}
	for _, tier := range limit.Tiers {
		rate.Tiers = append(rate.Tiers, string(tier))
	}
	slices.Sort(rate.Tiers)

	countPath := path.Child("requests")
	switch {
	case limit.Requests != nil && limit.Tokens == nil:
		rate.Unit, rate.Count = limiterv1.Requests, *limit.Requests
	case limit.Tokens != nil && limit.Requests == nil:
		rate.Unit, rate.Count = limiterv1.Tokens, *limit.Tokens
		countPath = path.Child("tokens")
	default:
		return rate, append(errs, field.Invalid(path, limit.Name, "must set exactly one of requests and tokens"))
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

// countable reports units that the limiter could not count exactly.
func countable(units int64, window limiterv1.Duration, path *field.Path) field.ErrorList {
	most := maxPoints / window.Milliseconds()
	switch {
	case units < 1:
		return field.ErrorList{field.Invalid(path, units, "must be at least 1")}
	case units > most:
		return field.ErrorList{field.Invalid(path, units, fmt.Sprintf(
			"is more than can be counted exactly in a window of %s: lower it to %d or less, or shorten the window",
			window.Std(), most))}
	}
	return nil
}

// byName are the policies that are not being deleted, in the order of their names.
func byName(policies []v1alpha1.RateLimitPolicy) []v1alpha1.RateLimitPolicy {
	kept := slices.DeleteFunc(slices.Clone(policies), func(p v1alpha1.RateLimitPolicy) bool {
		return !p.DeletionTimestamp.IsZero()
	})
	slices.SortFunc(kept, func(a, b v1alpha1.RateLimitPolicy) int { return cmp.Compare(a.Name, b.Name) })
	return kept
}
