package pages

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/console/api"
)

// alertPage is one alert, and its deliveries.
type alertPage struct {
	Row            alertRow
	Seen, Muted    string
	Deliveries     []deliveryRow
	IsAdmin        bool
	IsOpen         bool
	To, Back       string
	Form           form
	Success        success
	Mutes          []option
	IsAcknowledged bool
}

// deliveryRow is a message that a recipient was sent, or is to be
// sent.
type deliveryRow struct {
	Who, Channel, State, Class, When, Error string
	Attempts                                int64
}

// mutes are the choices of how long an alert is muted.
var mutes = []struct {
	name, title string
	days        int
}{{"1", phrase("1 day"), 1}, {"7", phrase("7 days"), 7}, {"30", phrase("30 days"), 30}}

// alertID is the pattern of an alert's id.
var alertID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// alertInput names the alert of a URL.
func (q *request) alertInput() (api.AlertInput, error) {
	id := strings.ToLower(q.PathValue("id"))
	if !alertID.MatchString(id) {
		return api.AlertInput{}, missingPage()
	}
	return api.AlertInput{TenantParameter: q.tenant.parameter(), ID: id}, nil
}

// alert is the page of an alert.
func (p *Pages) alert(q *request) (view, error) {
	in, err := q.alertInput()
	if err != nil {
		return view{}, err
	}
	found, err := p.ask.alert(q.ctx, q.who, &in)
	if err != nil {
		return view{}, err
	}
	page := &alertPage{
		Row: q.alertRow(found.Alert), IsAdmin: q.tenant.isAdmin, IsOpen: found.ResolvedAt == nil, Form: q.form(), Success: q.success(),
		To: q.path("/alerts/"+url.PathEscape(in.ID), nil), Back: q.path("/alerts", nil), IsAcknowledged: found.AcknowledgedAt != nil,
	}
	page.Seen, page.Muted = q.marksOf(found)
	for _, one := range mutes {
		page.Mutes = append(page.Mutes, option{Name: q.l.say(one.title), Value: one.name})
	}
	for _, d := range found.Deliveries {
		page.Deliveries = append(page.Deliveries, q.deliveryRow(d))
	}
	return view{template: "alert", title: q.l.say("Alert"), body: page}, nil
}

// marksOf says who has seen an alert, and who has muted it until when.
func (q *request) marksOf(found *api.AlertDetail) (seen, muted string) {
	zone := q.tenant.zone
	if at := found.AcknowledgedAt; at != nil {
		seen = q.l.moment(at.In(zone))
		if found.AcknowledgedBy != "" {
			seen = q.l.say("%s, by %s", seen, found.AcknowledgedBy)
		}
	}
	if until := found.MutedUntil; until != nil {
		muted = q.l.say("until %s", q.l.moment(until.In(zone)))
		if found.MutedBy != "" {
			muted = q.l.say("%s, by %s", muted, found.MutedBy)
		}
	}
	return seen, muted
}

func (q *request) deliveryRow(d api.Delivery) deliveryRow {
	row := deliveryRow{Who: recipient(d.Recipient), Channel: d.Channel, Attempts: int64(d.Attempts), Error: d.LastError}
	moment := func(at *time.Time) string {
		if at == nil {
			return ""
		}
		return q.l.moment(at.In(q.tenant.zone))
	}
	switch d.State {
	case "Delivered":
		row.State, row.Class, row.When = q.l.say("Delivered"), "good", moment(d.DeliveredAt)
	case "Abandoned":
		row.State, row.Class, row.When = q.l.say("Given up"), "bad", moment(d.AbandonedAt)
	default:
		row.State, row.Class, row.When = q.l.say("Waiting"), "warn", moment(d.NextAttemptAt)
	}
	return row
}

// recipient is a recipient of alerts: an e-mail address, or another
// channel.
func recipient(r api.Recipient) string {
	if r.Address != "" {
		return r.Address
	}
	return r.Channel
}

// markAlert acknowledges an alert, mutes it, or takes that back.
func (p *Pages) markAlert(q *request) (view, error) {
	in, err := q.alertInput()
	if err != nil {
		return view{}, err
	}
	what := ""
	switch q.field("mark") {
	case "acknowledge":
		what = "acknowledged"
		_, err = p.ask.acknowledge(q.ctx, q.who, &in)
	case "mute":
		what = "muted"
		mute := api.MuteInput{AlertInput: in}
		for _, one := range mutes {
			if one.name == q.field("for") {
				mute.Body.Until = q.now.AddDate(0, 0, one.days)
			}
		}
		_, err = p.ask.mute(q.ctx, q.who, &mute)
	case "unmute":
		what = "unmuted"
		_, err = p.ask.unmute(q.ctx, q.who, &in)
	default:
		err = &api.Problem{Status: http.StatusUnprocessableEntity, Code: "invalid_parameter"}
	}
	return q.done("/alerts/"+in.ID, what), err
}

// testAlerts has a test sent to all recipients.
func (p *Pages) testAlerts(q *request) (view, error) {
	sent, err := p.ask.testAlerts(q.ctx, q.who, new(q.tenant.parameter()))
	if err != nil {
		return view{}, err
	}
	return q.done("/alerts/"+sent.AlertID, "sent"), nil
}

// toldOf finds the recipients of a tenant's alerts.
func (p *Pages) toldOf(q *request) (*toldOf, error) {
	settings, err := p.ask.alertSettings(q.ctx, q.who, new(q.tenant.parameter()))
	if err != nil {
		return nil, err
	}
	told := &toldOf{Send: q.path("/alerts", nil)}
	for _, r := range settings.Recipients {
		told.Recipients = append(told.Recipients, recipient(r))
	}
	for _, f := range settings.Filters {
		text := strings.Join(f.Recipients, ", ")
		if len(f.Limits) > 0 {
			text = q.l.say("%s: only the limits %s", text, strings.Join(f.Limits, ", "))
		}
		if f.MinSeverity == "Critical" {
			text = q.l.say("%s: only when calls are stopped or a limit is used up", text)
		}
		told.Filters = append(told.Filters, text)
	}
	if settings.Failing.Status == "True" {
		told.Failing = settings.Failing.Message
	}
	return told, nil
}
