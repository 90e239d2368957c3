package compile

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/precedence"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Grant compiles a BudgetGrant of a limit of the budget that it names. An error of
// type field.ErrorTypeNotFound means that the budget has no such limit.
func Grant(grant *v1alpha1.BudgetGrant, budget *v1alpha1.TenantBudget) (limiterv1.Grant, field.ErrorList) {
	path := field.NewPath("spec")
	index := slices.IndexFunc(budget.Spec.Limits, func(l v1alpha1.MoneyLimit) bool { return l.Name == grant.Spec.Limit })
	if index < 0 {
		return limiterv1.Grant{}, field.ErrorList{field.NotFound(path.Child("limit"), grant.Spec.Limit)}
	}
	var errs field.ErrorList
	amount, err := dollars(grant.Spec.Amount, budget.Spec.Currency, path.Child("amount"))
	if err != nil {
		errs = append(errs, err)
	}
	owner := GrantedTo(grant)
	if per := limiterv1.Scope(cmp.Or(budget.Spec.Limits[index].Per, v1alpha1.ScopeTenant)); !owner.IsTenant() && owner.Scope() != per {
		name, value := ownerField(grant)
		errs = append(errs, field.Invalid(path.Child(name), value,
			fmt.Sprintf("must not be set: limit %s is per %s, not per %s", grant.Spec.Limit, per, owner.Scope())))
	}
	if hasControls(grant.Spec.Reason, "") {
		errs = append(errs, field.Invalid(path.Child("reason"), grant.Spec.Reason, "must be one line without control characters"))
	}
	compiled := limiterv1.Grant{
		Name: grant.Name, Owner: owner, Amount: amount, ExpiresAt: grant.Spec.ExpiresAt.UTC(),
	}
	if starts := grant.Spec.StartsAt; starts != nil {
		compiled.StartsAt = starts.UTC()
		if !starts.Before(&grant.Spec.ExpiresAt) {
			errs = append(errs, field.Invalid(path.Child("expiresAt"), grant.Spec.ExpiresAt, "must be after startsAt"))
		}
	}
	return compiled, errs
}

// GrantedTo is the owner whose limit gets more; zero if everyone's does.
func GrantedTo(grant *v1alpha1.BudgetGrant) limiterv1.Owner {
	owner := limiterv1.Owner{User: grant.Spec.User, Group: string(grant.Spec.Group)}
	if grant.Spec.APIKey != "" {
		owner.Key = grant.Namespace + "/" + grant.Spec.APIKey
	}
	return owner
}

// ownerField is the field that names the owner whose limit gets more.
func ownerField(grant *v1alpha1.BudgetGrant) (name, value string) {
	switch {
	case grant.Spec.User != "":
		return "user", grant.Spec.User
	case grant.Spec.Group != "":
		return "group", string(grant.Spec.Group)
	}
	return "apiKey", grant.Spec.APIKey
}

// Granting are the grants that count, now or later, towards limits of the budget: the
// valid ones that have not ended; if these are too many, the oldest.
func Granting(budget *v1alpha1.TenantBudget, grants []v1alpha1.BudgetGrant) []v1alpha1.BudgetGrant {
	granting := slices.DeleteFunc(slices.Clone(grants), func(g v1alpha1.BudgetGrant) bool {
		_, errs := Grant(&g, budget)
		return len(errs) > 0 || !g.DeletionTimestamp.IsZero() || g.IsExpired()
	})
	slices.SortFunc(granting, func(a, b v1alpha1.BudgetGrant) int { return precedence.Compare(&a, &b) })
	return granting[:min(len(granting), limiterv1.MaxGrants)]
}

// grant adds recorded grants to a level's limits, and returns which grants it added.
func grant(
	level *limiterv1.Level, budget *v1alpha1.TenantBudget, grants []v1alpha1.BudgetGrant,
) (sources []limiterv1.Source) {
	for _, g := range Granting(budget, grants) {
		if !g.IsRecorded() {
			continue // until it is recorded, nobody could look up what it has let through
		}
		compiled, _ := Grant(&g, budget)
		limit := slices.IndexFunc(level.Money, func(l limiterv1.MoneyLimit) bool { return l.Name == g.Spec.Limit })
		level.Money[limit].Grants = append(level.Money[limit].Grants, compiled)
		sources = append(sources, source(kindBudgetGrant, &g))
	}
	return sources
}
