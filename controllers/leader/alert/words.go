package alert

import (
	"fmt"
	"strings"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

// title is a delivery in one line.
func title(d letter) string {
	whose := "tenant " + d.Tenant
	if owner := d.Owner; !owner.IsTenant() && len(d.Others) == 0 {
		whose = owner.String() + " of " + whose
	}
	in := "Bursar: "
	if d.cluster != "" {
		in = "Bursar in " + d.cluster + ": "
	}
	return in + whose + ": " + what(d)
}

// what is what has happened.
func what(d letter) string {
	many := len(d.Others) > 0
	switch {
	case standsOut[d.Action] != "" && many:
		return standsOut[d.Action] + ": " + counted(d)
	case standsOut[d.Action] != "":
		return standsOut[d.Action]
	case d.Action == ledgerv1.ForceOpen:
		return "the breaker is forced open"
	case d.Action == ledgerv1.Test:
		return "a test of alerts"
	case d.RequestID != "":
		return aboutRequests(d)
	case d.Action == ledgerv1.Exhaust && many:
		return counted(d) + " have fully spent a limit"
	case d.Action == ledgerv1.Exhaust:
		return fmt.Sprintf("limit %s is fully spent", d.Limit)
	case many:
		return fmt.Sprintf("%s have reached %d%% (%s)", counted(d), d.AtPercent, d.Action)
	}
	return fmt.Sprintf("%d%% of limit %s reached (%s)", d.AtPercent, d.Limit, d.Action)
}

// aboutRequests says what was asked for, or decided.
func aboutRequests(d letter) string {
	text, decided := "a request for more of limit "+d.Limit, " was decided"
	if len(d.Others) > 0 {
		text, decided = number(1+len(d.Others), "request")+" for more", " were decided"
	}
	if d.Action == ledgerv1.RequestDecided {
		return text + decided
	}
	return text
}

// standsOut says what is unusual, in alerts about that.
var standsOut = map[limiterv1.Action]string{
	ledgerv1.Unusual: "unusual spending", ledgerv1.ManyRefusals: "many calls were refused", ledgerv1.UnusedKey: "not used for a long time",
}

// counted says how many alerts the delivery has, by whose they are: "2 limits and 37 users".
func counted(d letter) string {
	count := map[limiterv1.Scope]int{}
	for _, told := range d.All() {
		count[told.Owner.Scope()]++
	}
	var parts []string
	for _, per := range limiterv1.Scopes() {
		if n := count[per]; n > 0 {
			parts = append(parts, number(n, countedAs[per]))
		}
	}
	return strings.Join(parts, " and ")
}

// countedAs is what an alert is counted as, by the scope of its limit.
var countedAs = map[limiterv1.Scope]string{
	limiterv1.PerTenant: "limit", limiterv1.PerUser: "user", limiterv1.PerGroup: "group", limiterv1.PerKey: "key",
}

// number is so many of something.
func number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// severity is the severity of the alerts of a rung.
func severity(rung budgetstore.Rung) v1alpha1.AlertSeverity {
	if ledgerv1.IsCritical(rung.Action) {
		return v1alpha1.SeverityCritical
	}
	return v1alpha1.SeverityWarning
}

// mostListed is how many alerts a message for people says one by one.
const mostListed = 20

// messages say the alerts of a delivery to a person, one a line; the lines of several begin
// with the bullet.
func messages(d letter, bullet string) []string {
	all := d.All()
	if len(all) == 1 {
		bullet = ""
	}
	var lines []string
	for _, told := range all[:min(len(all), mostListed)] {
		lines = append(lines, bullet+told.Message+".")
	}
	if more := len(all) - mostListed; more > 0 {
		lines = append(lines, fmt.Sprintf("%sand %d more: see kubectl budget alerts.", bullet, more))
	}
	if d.muted > 0 {
		lines = append(lines, fmt.Sprintf("%s%d more of this minute were too many to send: see kubectl budget alerts.", bullet, d.muted))
	}
	return lines
}

// text is a delivery for people who read mail.
func text(budget *v1alpha1.TenantBudget, d letter) string {
	lines := append(messages(d, "- "), "")
	if d.cluster != "" {
		lines = append(lines, line("Cluster", d.cluster))
	}
	lines = append(lines, line("Tenant", d.Tenant))
	if len(d.Others) == 0 {
		lines = append(lines, about(d)...)
	}
	lines = append(lines,
		line("Raised", d.RaisedAt.UTC().Format(time.RFC3339)),
		line("Budget", fmt.Sprintf("kubectl -n %s get tenantbudget %s", budget.Namespace, budget.Name)))
	if names := spenders(d); names != "" {
		lines = append(lines, line("Top spenders", names))
	}
	if d.link != "" {
		lines = append(lines, line("Details", d.link))
	}
	if budget.Spec.Contact != "" {
		lines = append(lines, line("Contact", budget.Spec.Contact))
	}
	return strings.Join(lines, "\n") + "\n"
}

// line is a line of a mail: what is told, in a column, and the value.
func line(what, value string) string { return fmt.Sprintf("%-14s%s", what+":", value) }

// about is what one alert is about.
func about(d letter) (lines []string) {
	if owner := d.Owner; !owner.IsTenant() {
		lines = append(lines, line(string(owner.Scope()), owner.Name()))
	}
	if d.Limit == "" {
		return lines
	}
	lines = append(lines, line("Limit", d.Limit))
	if d.RequestID != "" {
		return append(lines, line("Request", d.RequestID))
	}
	return append(lines,
		line("Spent", fmt.Sprintf("%s of %s USD", d.Spent, d.Amount)),
		line("Period", fmt.Sprintf("%s to %s", d.Period.Start.UTC().Format(time.RFC3339), d.Period.End.UTC().Format(time.RFC3339))))
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
		text += "\nTop spenders: " + names
	}
	if d.link != "" {
		text += "\n" + d.link
	}
	return text
}
