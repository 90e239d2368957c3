package alert

import (
	"fmt"
	"strings"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// title is an alert in one line.
func title(d letter) string {
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
	in := "Bursar: "
	if d.cluster != "" {
		in = "Bursar in " + d.cluster + ": "
	}
	return in + whose + ": " + what
}

// text is an alert for people who read mail.
func text(budget *v1alpha1.TenantBudget, d letter) string {
	lines := []string{d.Message + ".", ""}
	if d.cluster != "" {
		lines = append(lines, "Cluster: "+d.cluster)
	}
	lines = append(lines, "Tenant:  "+d.Tenant)
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
	if names := spenders(d); names != "" {
		lines = append(lines, "Most by: "+names)
	}
	if d.link != "" {
		lines = append(lines, "More:    "+d.link)
	}
	if budget.Spec.Contact != "" {
		lines = append(lines, "Contact: "+budget.Spec.Contact)
	}
	return strings.Join(lines, "\n") + "\n"
}

// spenders are those who have spent most, in one line; empty if nobody is known.
func spenders(d letter) string {
	var names []string
	for _, s := range d.spenders {
		names = append(names, fmt.Sprintf("%s (%s USD)", s.User, s.Spent))
	}
	return strings.Join(names, ", ")
}

// more is what Slack is told after the message.
func more(d letter) string {
	text := ""
	if names := spenders(d); names != "" {
		text += "\nMost by: " + names
	}
	if d.link != "" {
		text += "\n" + d.link
	}
	return text
}
