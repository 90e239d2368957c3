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
	if d.Action == ledgerv1.Exhaust {
		what = fmt.Sprintf("limit %s is fully spent", d.Limit)
	}
	return "Bursar: " + whose + ": " + what
}

// text is an alert for people who read mail.
func text(budget *v1alpha1.TenantBudget, d budgetstore.Delivery) string {
	lines := []string{
		d.Message + ".", "",
		"Tenant:  " + d.Tenant,
		"Limit:   " + d.Limit,
		fmt.Sprintf("Spent:   %s of %s USD", d.Spent, d.Amount),
		fmt.Sprintf("Period:  %s to %s", d.Period.Start.UTC().Format(time.RFC3339), d.Period.End.UTC().Format(time.RFC3339)),
		"Raised:  " + d.RaisedAt.UTC().Format(time.RFC3339),
		fmt.Sprintf("Budget:  kubectl -n %s get tenantbudget %s", budget.Namespace, budget.Name),
	}
	if d.User != "" {
		lines = append(lines[:3], append([]string{"User:    " + d.User}, lines[3:]...)...)
	}
	return strings.Join(lines, "\n") + "\n"
}
