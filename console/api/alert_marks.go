package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/console/marks"
)

// AlertInput names an alert.
type AlertInput struct {
	TenantParameter
	ID string `path:"id" format:"uuid" maxLength:"36" doc:"The id of the alert."`
}

// MuteInput says for how long nobody is told of an alert.
type MuteInput struct {
	AlertInput
	Body struct {
		Until time.Time `json:"until" doc:"Until when nobody is told: in the future, and within a year."`
	}
}

// AlertDetail is an alert, and who was told of it.
type AlertDetail struct {
	Tenant string `json:"tenant"`
	Alert
	Deliveries []Delivery `json:"deliveries" nullable:"false" doc:"Who was told, or is to be, for admins. Empty: nobody, or you are none."`
}

// Delivery is what a recipient was told, or is to be.
type Delivery struct {
	Recipient
	Resolves      bool       `json:"resolves" doc:"Whether it says that the cause has gone, which PagerDuty is told."`
	State         string     `json:"state" enum:"Waiting,Delivered,Abandoned" doc:"Waiting: not tried yet, or tried again at nextAttemptAt. Abandoned: it is not tried any more."`
	Attempts      int        `json:"attempts"`
	NextAttemptAt *time.Time `json:"nextAttemptAt,omitempty" doc:"When it is tried next. Absent: it is not."`
	DeliveredAt   *time.Time `json:"deliveredAt,omitempty"`
	AbandonedAt   *time.Time `json:"abandonedAt,omitempty"`
	LastError     string     `json:"lastError,omitempty" doc:"Why it is not delivered. Absent: it is, or was not tried."`
}

// Recipient is who is told of alerts.
type Recipient struct {
	Channel string `json:"channel" enum:"Email,Webhook,Slack,Teams,PagerDuty"`
	Address string `json:"address,omitempty" doc:"The address of an e-mail. Absent: another channel, of which a budget has one each."`
}

// AlertSettings are who is told of the alerts of a tenant, and of which: spec.alerts of its TenantBudget.
type AlertSettings struct {
	Tenant     string        `json:"tenant"`
	Recipients []Recipient   `json:"recipients" nullable:"false" doc:"Who is told. Empty: nobody; alerts are only on record."`
	Filters    []AlertFilter `json:"filters" nullable:"false" doc:"Who is told of less than everything."`
	Failing    Condition     `json:"failing" doc:"Whether somebody cannot be told (condition AlertsFailing)."`
}

// AlertFilter selects the alerts that recipients are told of.
type AlertFilter struct {
	Recipients  []string `json:"recipients" doc:"Addresses, and channels other than Email."`
	Limits      []string `json:"limits,omitempty" doc:"The limits of whose alerts they are told. Absent: all."`
	MinSeverity string   `json:"minSeverity,omitempty" enum:"Warning,Critical" doc:"The least severity that they are told of. Absent: Warning."`
}

// TestSent is a message that is on its way.
type TestSent struct {
	Tenant     string      `json:"tenant"`
	AlertID    string      `json:"alertId" doc:"Its alert: /alerts/{id} has how far each delivery has come."`
	Recipients []Recipient `json:"recipients" nullable:"false" doc:"Who is sent it."`
}

func (a *api) registerAlertMarks(routes huma.API) {
	handle(a, routes, get("alert", "/alerts/{id}", "Alerts", "One alert", "An alert, who has seen or muted it, and who was told. A user sees those about their own spending, an admin those of the tenant."),
		func(ctx context.Context, who auth.Who, in *AlertInput) (*AlertDetail, error) {
			v, err := a.view(ctx, who, in.Tenant, auth.Member)
			if err != nil {
				return nil, err
			}
			return a.alert(ctx, v, in.ID)
		})
	handle(a, routes, get("alertSettings", "/alerts/settings", "Alerts", "Who is told", "Who is told of the alerts of a tenant, and of which. For admins of the tenant. They are in the TenantBudget: a change of it changes them."),
		a.alertSettings)
	handle(a, routes, marking("acknowledgeAlert", "/alerts/{id}/acknowledge", "Say that an alert was seen",
		"Who acknowledged it first, and when, stays on record. For admins of the tenant."),
		func(ctx context.Context, who auth.Who, in *AlertInput) (*AlertDetail, error) {
			return a.mark(ctx, who, in, ledgerv1.Acknowledge, time.Time{})
		})
	handle(a, routes, bounded(marking("muteAlert", "/alerts/{id}/mute", "Tell nobody for some time",
		"Nobody is told of the alert, nor of others of the same limit, rung and user, group or APIKey in any period, until then. Messages that were not sent yet wait; they are sent then if the cause is still there. For admins of the tenant.")),
		func(ctx context.Context, who auth.Who, in *MuteInput) (*AlertDetail, error) {
			if until := in.Body.Until; !until.After(a.Now()) || until.After(a.Now().AddDate(1, 0, 0)) {
				return nil, invalid("body.until", "must be in the future, and within a year")
			}
			return a.mark(ctx, who, &in.AlertInput, ledgerv1.Mute, in.Body.Until)
		})
	handle(a, routes, bounded(marking("unmuteAlert", "/alerts/{id}/unmute", "Tell people again", "Ends a mute of the alert, or of another that is muted with it. For admins of the tenant.")),
		func(ctx context.Context, who auth.Who, in *AlertInput) (*AlertDetail, error) {
			return a.mark(ctx, who, in, ledgerv1.Unmute, time.Time{})
		})
	handle(a, routes, bounded(marking("testAlerts", "/alerts/test", "Send me one now",
		"Has a message sent to everyone who is told of the tenant's alerts, whatever the filters, by the channels that alerts go by. At most ten an hour. For admins of the tenant.")),
		a.testAlerts)
}

// marking is the operation of a route that acknowledges, mutes or unmutes alerts.
func marking(id, path, summary, description string) huma.Operation {
	return changing(http.MethodPost, id, path, "Alerts", summary, description)
}

func (a *api) alert(ctx context.Context, v view, id string) (*AlertDetail, error) {
	found, deliveries, err := a.Ledger.Alert(ctx, v.as, id, a.Now())
	if err != nil {
		return nil, err
	}
	detail := &AlertDetail{Tenant: v.tenant, Alert: alertOf(found, v.isAdmin()), Deliveries: []Delivery{}}
	for _, d := range deliveries {
		delivery := Delivery{
			Recipient: recipientOf(d.Recipient), Resolves: d.Resolves, State: "Waiting", Attempts: d.Attempts,
			DeliveredAt: utc(d.DeliveredAt), AbandonedAt: utc(d.AbandonedAt), LastError: d.LastError,
		}
		switch {
		case d.DeliveredAt != nil:
			delivery.State = "Delivered"
		case d.AbandonedAt != nil:
			delivery.State = "Abandoned"
		default:
			delivery.NextAttemptAt = utc(&d.NextAttemptAt)
		}
		detail.Deliveries = append(detail.Deliveries, delivery)
	}
	return detail, nil
}

func recipientOf(r ledgerv1.Recipient) Recipient { return Recipient{string(r.Channel), r.Address} }

// mark records what the caller says about an alert.
func (a *api) mark(ctx context.Context, who auth.Who, in *AlertInput, mark ledgerv1.Mark, until time.Time) (*AlertDetail, error) {
	v, err := a.view(ctx, who, in.Tenant, auth.Admin)
	if err != nil {
		return nil, err
	}
	if err := a.Marks.Add(ctx, marks.Mark{Tenant: v.tenant, AlertID: in.ID, Mark: mark, By: personOf(who), Until: until}); err != nil {
		return nil, err
	}
	return a.alert(ctx, v, in.ID)
}

func (a *api) alertSettings(ctx context.Context, who auth.Who, in *TenantParameter) (*AlertSettings, error) {
	budget, err := a.administered(ctx, who, in.Tenant)
	if err != nil {
		return nil, err
	}
	settings := &AlertSettings{
		Tenant: budget.Spec.Tenant, Recipients: []Recipient{}, Filters: []AlertFilter{},
		Failing: conditionOf(budget.Status.Conditions, v1alpha1.ConditionAlertsFailing),
	}
	for _, r := range recipientsOf(budget) {
		settings.Recipients = append(settings.Recipients, recipientOf(r))
	}
	if budget.Spec.Alerts != nil {
		for _, f := range budget.Spec.Alerts.Filters {
			settings.Filters = append(settings.Filters, AlertFilter{names(f.Recipients), f.Limits, string(f.MinSeverity)})
		}
	}
	return settings, nil
}

// recipientsOf are who is told of the alerts of a budget.
func recipientsOf(budget *v1alpha1.TenantBudget) (all []ledgerv1.Recipient) {
	for _, name := range budget.Spec.Alerts.Recipients() {
		all = append(all, ledgerv1.ParseRecipient(string(name)))
	}
	return all
}

func (a *api) testAlerts(ctx context.Context, who auth.Who, in *TenantParameter) (*TestSent, error) {
	budget, err := a.administered(ctx, who, in.Tenant)
	if err != nil {
		return nil, err
	}
	recipients := recipientsOf(budget)
	if len(recipients) == 0 {
		return nil, problem(http.StatusConflict, "nobody_is_told", "Nobody is told", "spec.alerts of the TenantBudget names nobody: there is nobody to send a message to")
	}
	test := marks.Test{
		Tenant: budget.Spec.Tenant, BudgetUID: string(budget.UID), Recipients: recipients,
		Message: "this is a test: " + personOf(who) + " asked for it, and nothing has happened",
	}
	id, err := a.Marks.AddTest(ctx, test)
	if err != nil {
		return nil, err
	}
	sent := &TestSent{Tenant: budget.Spec.Tenant, AlertID: id, Recipients: []Recipient{}}
	for _, r := range recipients {
		sent.Recipients = append(sent.Recipients, recipientOf(r))
	}
	return sent, nil
}
