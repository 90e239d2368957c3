package analysis

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/nearest"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

const (
	// muchMore is how many times a limit's amount a grant must add to be surely a mistake.
	muchMore = 10
	// long is how long a grant must last to be surely a mistake: what stays belongs in the limit.
	long = 366 * day
)

// OfBudgetGrant finds what is surely not meant in a BudgetGrant. The budget is the one that gets
// more, nil if there is none; users are those of its keys, and of the keys below it.
func OfBudgetGrant(grant *v1alpha1.BudgetGrant, budget *v1alpha1.TenantBudget, users []string, now time.Time) []Warning {
	var f found
	spec, path := grant.Spec, field.NewPath("spec")
	starts := grant.CreationTimestamp.Time
	if starts.IsZero() || starts.After(now) { // the grant is about to be created
		starts = now
	}
	if spec.StartsAt != nil {
		starts = spec.StartsAt.Time
	}
	if length := spec.ExpiresAt.Sub(starts); length > long {
		f.warn(path.Child("expiresAt"), "the grant lasts %d days: to raise a limit permanently, raise its amount in the TenantBudget", int(length/(24*time.Hour)))
	}
	// The users of members come with their tokens and are not known, so only a name that is close
	// to a known one is surely not meant.
	if spec.User != "" && !slices.Contains(users, spec.User) && nearest.Name(spec.User, users) != "" {
		f.warn(path.Child("user"), "no APIKey that counts against the budget is of user %q%s", spec.User, nearest.DidYouMean(spec.User, users))
	}
	if budget == nil {
		return f
	}
	i := slices.IndexFunc(budget.Spec.Limits, func(l v1alpha1.MoneyLimit) bool { return l.Name == spec.Limit })
	if i < 0 {
		return f
	}
	// Both are in the budget's currency.
	has, err := money.Parse(string(budget.Spec.Limits[i].Amount))
	adds, addsErr := money.Parse(string(spec.Amount))
	if err == nil && addsErr == nil && has > 0 && adds/has >= muchMore {
		f.warn(path.Child("amount"), "adds %s to a limit of %s, %d times as much: is there a digit too many?", spec.Amount, has, adds/has)
	}
	return f
}
