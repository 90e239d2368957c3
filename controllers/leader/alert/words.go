package alert

import (
	"fmt"
	"strings"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

// title is an alert in one line.
func title(d budgetstore.Delivery) string {
	whose := "tenant " + d.Tenant
	if d.User != "" {
		whose = "user " + d.User + " of " + whose
	}
	what := fmt.Sprintf("%d%% of limit %s reached (%s)", d.AtPercent, d.Limit, d.Action)
	switch d.Action {
	case ledgerv1.Exhaust:
		what = fmt.Sprintf("limit %s is fully spent", d.Limit)
	case ledgerv1.ForceOpen:
		what = "the breaker is forced open"
	}
	return "Bursar: " + whose + ": " + what
}

// text is an alert for people who read mail.
func text(budget *v1alpha1.TenantBudget, d budgetstore.Delivery) string {
	lines := []string{d.Message + ".", "", "Tenant:  " + d.Tenant}
	if d.User != "" {
		lines = append(lines, "User:    "+d.User)
	}
	if d.Action != ledgerv1.ForceOpen {
		lines = append(lines,
			"Limit:   "+d.Limit,
			fmt.Sprintf("Spent:   %s of %s USD", d.Spent, d.Amount),
			fmt.Sprintf("Period:  %s to %s", d.Period.Start.UTC().Format(time.RFC3339), d.Period.End.UTC().Format(time.RFC3339)))
	}
	lines = append(lines,
		"Raised:  "+d.RaisedAt.UTC().Format(time.RFC3339),
		fmt.Sprintf("Budget:  kubectl -n %s get tenantbudget %s", budget.Namespace, budget.Name))
	if budget.Spec.Contact != "" {
		lines = append(lines, "Contact: "+budget.Spec.Contact)
	}
	return strings.Join(lines, "\n") + "\n"
}
