package pages

import (
	"net/url"
	"strings"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/console/api"
)

// alertRow is an alert.
type alertRow struct {
	ID, Limit, Whose, What, Class string
	AtPercent                     int64
	Amount, Spent                 api.Money
	Raised                        string
	Period                        string
	Resolved, Resolution          string
	Muted                         bool
	Message                       string
	// To is the page of the alert; Seen says who has seen it, and Quiet until when it is muted.
	To, Seen, Quiet string
}

// alertsPage are the alerts of a tenant.
type alertsPage struct {
	Kinds  []link
	Open   []alertRow
	Past   []alertRow
	IsOpen bool
	Next   string
	Facts  facts
	CSV    string
	// Told is the recipients; nil if the reader does not administer the tenant.
	Told    *toldOf
	Form    form
	Success success
}

// toldOf is the recipients of a tenant's alerts.
type toldOf struct {
	Recipients, Filters []string
	// Failing is why a recipient cannot be reached; empty if all can.
	Failing string
	Send    string
}

// alerts is the page of alerts.
func (p *Pages) alerts(q *request) (view, error) {
	query := q.URL.Query()
	page := &alertsPage{IsOpen: query.Get("kind") == "open"}
	found, err := p.ask.alerts(q.ctx, q.who, &api.AlertsInput{
		TenantParameter: q.tenant.parameter(), Open: page.IsOpen, PageParameters: api.PageParameters{Limit: 50, After: query.Get("after")},
	})
	if err != nil {
		return view{}, err
	}
	for _, a := range found.Alerts {
		row := q.alertRow(a)
		if a.ResolvedAt == nil {
			page.Open = append(page.Open, row)
		} else {
			page.Past = append(page.Past, row)
		}
	}
	page.Kinds = []link{
		{Title: q.l.say("All"), To: q.with("kind", ""), Current: !page.IsOpen}, {Title: q.l.say("Open"), To: q.with("kind", "open"), Current: page.IsOpen},
	}
	if found.Next != "" {
		page.Next = q.with("after", found.Next)
	}
	page.Facts = q.facts(q.now)
	csv := url.Values{"tenant": {q.tenant.Name}, "limit": {"1000"}}
	if page.IsOpen {
		csv.Set("open", "true")
	}
	page.CSV = csvOf("/alerts", csv)
	page.Form, page.Success = q.form(), q.success()
	if q.tenant.isAdmin {
		if page.Told, err = p.toldOf(q); err != nil {
			return view{}, err
		}
	}
	return view{template: "alerts", title: q.l.say("Alerts"), body: page}, nil
}

func (q *request) alertRow(a api.Alert) alertRow {
	zone := q.tenant.zone
	row := alertRow{
		ID: a.ID, Limit: a.Limit, Whose: q.owner(a.User, a.Group, a.APIKey), What: q.l.word(a.Action), Class: "warn", AtPercent: int64(a.AtPercent),
		Amount: a.Amount, Spent: a.Spent, Raised: q.l.moment(a.RaisedAt.In(zone)), Muted: a.Muted, Message: a.Message,
		Period: q.l.day(a.PeriodStart.In(zone)), To: q.path("/alerts/"+url.PathEscape(a.ID), nil),
	}
	if a.AcknowledgedAt != nil {
		row.Seen = q.l.say("seen")
	}
	if a.MutedUntil != nil {
		row.Quiet = q.l.say("muted until %s", q.l.moment(a.MutedUntil.In(zone)))
	}
	if ledgerv1.IsCritical(limiterv1.Action(a.Action)) {
		row.Class = "bad"
	}
	if a.ResolvedAt != nil {
		row.Resolved, row.Resolution, row.Class = q.l.moment(a.ResolvedAt.In(zone)), q.l.word(a.Resolution), "same"
	}
	return row
}

// owner is the owner whose spending something is about.
func (q *request) owner(user, group, key string) string {
	switch {
	case user != "":
		return user
	case group != "":
		return q.l.say("Group %s", group)
	case key != "":
		return key[strings.LastIndexByte(key, '/')+1:]
	}
	return q.l.say("Whole tenant")
}
