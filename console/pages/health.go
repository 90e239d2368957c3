package pages

import (
	"fmt"
	"time"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/api"
)

// healthPage is how Bursar is.
type healthPage struct {
	Tiles     []healthTile
	Sessions  []sessionRow
	Objects   []api.KindHealth
	Troubles  []troubleRow
	Ledger    []pair
	Providers []providerRow
	Issuers   []issuerRow
	Unknown   []string
	Facts     facts
}

// healthTile is a figure, and whether it is as it should be.
type healthTile struct{ Title, Figure, Text, Class string }

type (
	pair struct{ Name, Value, Class string }
	// verdict is a condition, with its message if it is not as it should be.
	verdict struct{ Text, Class, Message string }

	sessionRow  struct{ Session, Heard, State, Class string }
	troubleRow  struct{ Kind, Name, Condition, Reason, Message, Since string }
	providerRow struct {
		Name                       string
		Reachable, Key             verdict
		Calls, WithoutCost, CutOff int64
		Took, First                string
	}
	issuerRow struct {
		Name, Issuer         string
		Keys                 verdict
		Count                int
		FetchedAt, ChangedAt string
	}
)

// health is the page of Bursar's own health.
func (p *Pages) health(q *request) (view, error) {
	found, err := p.ask.health(q.ctx, q.who, &struct{}{})
	if err != nil {
		return view{}, err
	}
	page := &healthPage{
		Tiles: q.healthTiles(found), Objects: found.Objects, Ledger: q.ledgerPairs(found), Unknown: found.Unknown,
		Facts: q.facts(q.now).withoutMoney(),
	}
	for _, s := range found.Enforcers.Sessions {
		row := sessionRow{Session: s.Session, Heard: q.l.say("%s ago", q.l.span(time.Duration(s.SilentSeconds*float64(time.Second)))), State: q.l.say("Running"), Class: "good"}
		if !s.Live {
			row.State, row.Class = q.l.say("Silent"), "warn"
		}
		page.Sessions = append(page.Sessions, row)
	}
	for _, t := range found.Troubles {
		page.Troubles = append(page.Troubles, troubleRow{t.Kind, t.Name, t.Condition, t.Reason, t.Message, q.l.moment(t.Since.In(q.tenant.zone))})
	}
	for _, f := range found.Providers {
		page.Providers = append(page.Providers, providerRow{
			Name: f.Name, Reachable: q.verdict(f.Reachable, phrase("Answers"), phrase("Does not answer")), Key: q.keyVerdict(f.CredentialValid),
			Calls: f.Calls, WithoutCost: f.WithoutCost, CutOff: f.CutOff, Took: q.l.quantiles(f.TookP50, f.TookP95), First: q.l.quantiles(f.FirstP50, f.FirstP95),
		})
	}
	for _, f := range found.IdentityProviders {
		row := issuerRow{Name: f.Name, Issuer: f.Issuer, Keys: q.verdict(f.KeysFetched, phrase("Known"), phrase("Cannot be fetched")), Count: f.Keys}
		if f.FetchedAt != nil && f.ChangedAt != nil {
			row.FetchedAt, row.ChangedAt = q.l.moment(f.FetchedAt.In(q.tenant.zone)), q.l.moment(f.ChangedAt.In(q.tenant.zone))
		}
		page.Issuers = append(page.Issuers, row)
	}
	return view{template: "health", title: q.l.say("Health"), body: page}, nil
}

// healthTiles are the most important figures.
func (q *request) healthTiles(h *api.Health) []healthTile {
	enforcers := healthTile{q.l.say("Enforcers"), q.l.number(int64(h.Enforcers.Live)), q.l.say("Revision %s everywhere", h.Enforcers.Revision), "good"}
	switch {
	case h.Enforcers.Live == 0:
		enforcers.Text, enforcers.Class = q.l.say("None is live: no call is admitted"), "bad"
	case h.Enforcers.Behind > 0:
		enforcers.Text, enforcers.Class = q.l.say("Revision %s; %s objects are not everywhere yet", h.Enforcers.Revision, h.Enforcers.Behind), "warn"
		if h.Enforcers.Behind == 1 {
			enforcers.Text = q.l.say("Revision %s; one object is not everywhere yet", h.Enforcers.Revision)
		}
	}
	objects := healthTile{q.l.say("Objects not enforced as written"), "0", q.l.say("All are enforced"), "good"}
	total, wrong := 0, 0
	for _, kind := range h.Objects {
		total, wrong = total+kind.Total, wrong+kind.NotReady
	}
	if wrong > 0 {
		objects.Figure, objects.Text, objects.Class = q.l.number(int64(wrong)), q.l.say("of %s", total), "warn"
	}
	drift := healthTile{q.l.say("Drift"), q.l.shortText(h.Limiter.Drift), q.l.say("Counters agree with the ledger"), "good"}
	switch {
	case h.Limiter.Rebuilding:
		drift.Text, drift.Class = q.l.say("Counters are being set from the ledger: nothing is admitted"), "bad"
	case h.Limiter.AuditedAt == nil:
		drift.Figure, drift.Text, drift.Class = "–", q.l.say("Not compared yet"), "same"
	case h.Limiter.WithDrift+h.Limiter.WithWrongSums > 0:
		drift.Text, drift.Class = q.l.say("Counters of %s tenants differ from the ledger, sums of %s", h.Limiter.WithDrift, h.Limiter.WithWrongSums), "bad"
	}
	ledger := healthTile{q.l.say("Ledger"), "–", q.l.say("No call within the hour"), "same"}
	if h.Ledger.LagP95 != nil {
		ledger.Figure, ledger.Text, ledger.Class = q.l.milliseconds(*h.Ledger.LagP95), q.l.say("behind the end of calls (p95)"), "good"
	}
	if h.Ledger.Unreachable.Status == "True" {
		ledger.Text, ledger.Class = q.l.say("An enforcer cannot write to it"), "bad"
	}
	messages := healthTile{q.l.say("Messages waiting"), q.l.number(h.Alerts.Waiting), q.l.say("%s given up in the last day", h.Alerts.Abandoned), "good"}
	if h.Alerts.Failing+int(h.Alerts.Abandoned) > 0 {
		messages.Class = "warn"
	}
	return []healthTile{enforcers, objects, drift, ledger, messages}
}

// ledgerPairs are the details of the stores.
func (q *request) ledgerPairs(h *api.Health) (all []pair) {
	moment := func(at *time.Time) string {
		if at == nil {
			return "–"
		}
		return q.l.moment(at.In(q.tenant.zone))
	}
	all = append(all,
		pair{Name: q.l.say("Last call recorded"), Value: moment(h.Ledger.LastRecordedAt)},
		pair{Name: q.l.say("From the end of a call to the ledger, p50 / p95"), Value: q.l.quantiles(h.Ledger.LagP50, h.Ledger.LagP95)},
		pair{Name: q.l.say("Sums of each user until"), Value: moment(&h.Ledger.SumsUntil)},
		pair{Name: q.l.say("Counters last compared with the ledger"), Value: moment(h.Limiter.AuditedAt)},
		pair{Name: q.l.say("First message due"), Value: moment(h.Alerts.OldestDue)},
		pair{Name: q.l.say("Tenants with alerts that cannot be delivered"), Value: q.l.number(int64(h.Alerts.Failing))})
	if h.Ledger.Unreachable.Status == "True" {
		all = append(all, pair{Name: q.l.say("An enforcer cannot write to it"), Value: h.Ledger.Unreachable.Message, Class: "over"})
	}
	return all
}

// verdict says what a condition means.
func (q *request) verdict(c api.Condition, good, bad string) verdict {
	switch c.Status {
	case "True":
		return verdict{Text: q.l.say(good), Class: "good"}
	case "False":
		return verdict{q.l.say(bad), "bad", c.Message}
	}
	return verdict{Text: q.l.say("Not known yet"), Class: "same"}
}

// keyVerdict says whether a provider accepts Bursar's key, if there is one.
func (q *request) keyVerdict(c api.Condition) verdict {
	if c.Reason == v1alpha1.ReasonCredentialFileMissing {
		return q.verdict(c, phrase("Accepted"), phrase("Missing"))
	}
	return q.verdict(c, phrase("Accepted"), phrase("Rejected"))
}

// quantiles are a median and a 95th percentile, in milliseconds; empty for none.
func (l *locale) quantiles(p50, p95 *float64) string {
	if p50 == nil || p95 == nil {
		return ""
	}
	return l.milliseconds(*p50) + " / " + l.milliseconds(*p95)
}

// milliseconds is a short time: in milliseconds below a second, else in seconds.
func (l *locale) milliseconds(ms float64) string {
	if ms < 1000 {
		return fmt.Sprintf("%.0f ms", ms)
	}
	return l.wait(fmt.Sprintf("%.1f s", ms/1000))
}

// span is a length of time in its largest unit.
func (l *locale) span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return l.say("%s s", int(d/time.Second))
	case d < time.Hour:
		return l.say("%s min", int(d/time.Minute))
	}
	return l.say("%s h", int(d/time.Hour))
}
