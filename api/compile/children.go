package compile

import (
	"cmp"
	"fmt"
	"strings"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Overcommitment is a limit of a budget that its children may exceed together while
// each keeps to its own.
type Overcommitment struct {
	// Limit is the name of the budget's limit, and Amount its amount.
	Limit  string
	Amount money.Nanos
	// Promised is the sum of the limits that count the same, of Children children.
	Promised money.Nanos
	Children int
}

// String says it in words.
func (o Overcommitment) String() string {
	if o.Children == 1 {
		return fmt.Sprintf("limit %s has %s USD, but the limit of its one child is %s USD", o.Limit, o.Amount, o.Promised)
	}
	return fmt.Sprintf("limit %s has %s USD, but the limits of its %d children add up to %s USD", o.Limit, o.Amount, o.Children, o.Promised)
}

// Overcommitted are the limits of a budget that count the whole tenant, and that its
// children's limits of the same period, tiers and models together exceed, in the order
// of the budget. A child without such a limit promises nothing. Grants do not count.
// REQUIRES: the children name the budget as their parent.
func Overcommitted(budget *v1alpha1.TenantBudget, children []v1alpha1.TenantBudget) []Overcommitment {
	var over []Overcommitment
	promised, count := map[string]money.Nanos{}, map[string]int{}
	for i := range children {
		for _, limit := range tenantLimits(&children[i]) {
			counted := limiterv1.MoneyField(limit)
			promised[counted], count[counted] = promised[counted]+limit.Amount, count[counted]+1
		}
	}
	for _, limit := range tenantLimits(budget) {
		counted := limiterv1.MoneyField(limit)
		if promised[counted] > limit.Amount {
			over = append(over, Overcommitment{Limit: limit.Name, Amount: limit.Amount, Promised: promised[counted], Children: count[counted]})
		}
	}
	return over
}

// tenantLimits are the valid limits of a budget that count the whole tenant.
func tenantLimits(budget *v1alpha1.TenantBudget) []limiterv1.MoneyLimit {
	var limits []limiterv1.MoneyLimit
	for _, limit := range budget.Spec.Limits {
		if cmp.Or(limit.Per, v1alpha1.ScopeTenant) != v1alpha1.ScopeTenant {
			continue
		}
		if compiled, errs := moneyLimits([]v1alpha1.MoneyLimit{limit}, budget.Spec.Currency, nil); len(errs) == 0 {
			limits = append(limits, compiled...)
		}
	}
	return limits
}

// Promises says in words how children together exceed limits; empty if they do not.
func Promises(over []Overcommitment) string {
	var words []string
	for _, o := range over {
		words = append(words, o.String())
	}
	return strings.Join(words, "; ")
}
