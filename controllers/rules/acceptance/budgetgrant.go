package acceptance

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// BudgetGrant is what was decided of a BudgetGrant.
type BudgetGrant struct {
	Decision
	// Budget is the one that gets more; nil when there is none.
	Budget *v1alpha1.TenantBudget
}

// DecideBudgetGrant decides whether the grant is valid and gives something to a budget
// that is in force. It does not ask whether the grant is over.
func DecideBudgetGrant(ctx context.Context, reader client.Reader, grant *v1alpha1.BudgetGrant) (BudgetGrant, error) {
	path := field.NewPath("spec", "budgetRef", "name")
	key := types.NamespacedName{Namespace: grant.Namespace, Name: grant.Spec.BudgetRef.Name}
	budget, rejection, err := target(ctx, reader, key, path)
	switch {
	case err != nil:
		return BudgetGrant{}, err
	case rejection != nil:
		return BudgetGrant{Decision: *rejection}, nil
	}
	if _, errs := compile.Grant(grant, budget); len(errs) > 0 {
		noLimit := errs[0].Type == field.ErrorTypeNotFound
		if noLimit {
			errs[0].Detail = fmt.Sprintf("TenantBudget %s has no limit of this name%s", budget.Name,
				verdict.DidYouMeanOr("; it has ", grant.Spec.Limit, limitsOf(budget)))
		}
		decided := invalid(errs)
		if noLimit {
			decided.Reason = v1alpha1.ReasonLimitNotFound
		}
		return BudgetGrant{Decision: decided, Budget: budget}, nil
	}
	if verdict := TargetVerdict(budget, path); !verdict.Holds() {
		return BudgetGrant{Decision: Decision{Verdict: verdict}, Budget: budget}, nil
	}
	grants, err := grantsOf(ctx, reader, budget)
	if err != nil {
		return BudgetGrant{}, err
	}
	isIt := func(g v1alpha1.BudgetGrant) bool { return g.UID == grant.UID }
	if !slices.ContainsFunc(grants, isIt) {
		grants = append(grants, *grant) // it is about to be created
	}
	if !slices.ContainsFunc(compile.Granting(budget, grants), isIt) {
		return BudgetGrant{Budget: budget, Decision: rejected(v1alpha1.ReasonTooManyGrants, field.Invalid(path, budget.Name, fmt.Sprintf(
			"already has %d older unexpired grants: delete those that are not needed", limiterv1.MaxGrants)))}, nil
	}
	return BudgetGrant{Decision: accepted(), Budget: budget}, nil
}

// limitsOf are the names of a budget's limits.
func limitsOf(budget *v1alpha1.TenantBudget) (names []string) {
	for _, limit := range budget.Spec.Limits {
		names = append(names, limit.Name)
	}
	return names
}
