package compile

import (
	"cmp"
	"slices"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/precedence"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Applying are the policies whose limits a TenantBudget in a namespace gets, in the order in
// which they refuse: the valid ones that are not being deleted, those of its own namespace
// first, by name. A tenant gets up to limiterv1.MaxRates limits from policies of its own
// namespace, and as many from all others. If there are more, the oldest policies win, and a
// policy that does not fit as a whole is left out. So policies of other namespaces cannot
// crowd out those of the tenant's namespace, nor the other way round.
func Applying(namespace string, policies []v1alpha1.RateLimitPolicy) []v1alpha1.RateLimitPolicy {
	valid := slices.DeleteFunc(slices.Clone(policies), func(p v1alpha1.RateLimitPolicy) bool {
		_, errs := Policy(&p, namespace)
		return len(errs) > 0 || !p.DeletionTimestamp.IsZero()
	})
	slices.SortFunc(valid, func(a, b v1alpha1.RateLimitPolicy) int { return precedence.Compare(&a, &b) })
	rank := func(p v1alpha1.RateLimitPolicy) int {
		if p.Namespace == namespace {
			return 0
		}
		return 1
	}
	left := []int{limiterv1.MaxRates, limiterv1.MaxRates}
	applying := slices.DeleteFunc(valid, func(p v1alpha1.RateLimitPolicy) bool {
		if len(p.Spec.Limits) > left[rank(p)] {
			return true
		}
		left[rank(p)] -= len(p.Spec.Limits)
		return false
	})
	slices.SortFunc(applying, func(a, b v1alpha1.RateLimitPolicy) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return applying
}
