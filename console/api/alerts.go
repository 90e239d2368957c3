package api

import (
	"context"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/history"
)

// AlertsInput says which alerts are listed.
type AlertsInput struct {
	TenantParameter
	FormatParameter
	PageParameters
	Open bool `query:"open" doc:"Whether only those are listed whose cause is still there."`
}

// Alerts is a page of alerts, newest first.
type Alerts struct {
	Tenant string  `json:"tenant"`
	Alerts []Alert `json:"alerts" nullable:"false"`
	Next   string  `json:"next,omitempty" doc:"What after is on the next page. Absent: this is the last."`
}

// Alert is a rung of a limit that was reached, or a limit that was spent in full, in one period.
type Alert struct {
	ID          string     `json:"id"`
	Limit       string     `json:"limit"`
	User        string     `json:"user,omitempty" doc:"The user whose spending it was. Absent, as are group and apiKey: it was the whole tenant's."`
	Group       string     `json:"group,omitempty" doc:"The group whose spending it was."`
	APIKey      string     `json:"apiKey,omitempty" doc:"The APIKey whose spending it was, as namespace/name."`
	PeriodStart time.Time  `json:"periodStart"`
	PeriodEnd   time.Time  `json:"periodEnd"`
	Action      string     `json:"action" enum:"Warn,Downgrade,Trip,Exhaust,ForceOpen,Test,Unusual,Refusals,UnusedKey,Request,Decision" doc:"That of the rung; Exhaust where the limit was spent in full. Request where a user asks for more of the limit, Decision, which only admins see, where that was approved or declined. About no limit, and without an amount: ForceOpen where the breaker was forced open, Test where somebody asked for a message, and Unusual, Refusals and UnusedKey where spending, refused calls or an APIKey stood out."`
	AtPercent   int32      `json:"atPercent"`
	Amount      Money      `json:"amount" doc:"The limit when it was seen; of Request what is asked for, of Decision what was granted, or was asked for and declined."`
	Spent       Money      `json:"spent" doc:"What was spent when it was seen."`
	Message     string     `json:"message"`
	Muted       bool       `json:"muted" doc:"Whether nobody was told, because too many were told of within the hour."`
	RaisedAt    time.Time  `json:"raisedAt"`
	ResolvedAt  *time.Time `json:"resolvedAt,omitempty" doc:"When its cause had gone. Absent: it is open."`
	Resolution  string     `json:"resolution,omitempty" doc:"Why its cause had gone."`

	AcknowledgedAt *time.Time `json:"acknowledgedAt,omitempty" doc:"When somebody first said to have seen it. Absent: nobody has."`
	AcknowledgedBy string     `json:"acknowledgedBy,omitempty" doc:"Who that was, for admins."`
	MutedUntil     *time.Time `json:"mutedUntil,omitempty" doc:"Until when nobody is told of it, nor of others of the same limit, rung and user, group or APIKey. Absent: people are told."`
	MutedAt        *time.Time `json:"mutedAt,omitempty" doc:"Since when."`
	MutedBy        string     `json:"mutedBy,omitempty" doc:"Who wanted that, for admins."`
}

func (a *api) registerAlerts(routes huma.API) {
	handle(a, routes, get("alerts", "/alerts", "Alerts", "Rungs that were reached",
		"Alerts, newest first, page by page. A user sees those about their own spending, an admin those of the tenant."),
		func(ctx context.Context, who auth.Who, in *AlertsInput) (*Alerts, error) {
			v, err := a.view(ctx, who, in.Tenant, auth.Member)
			if err != nil {
				return nil, err
			}
			found, next, err := a.Ledger.Alerts(ctx, v.as, history.AlertQuery{OpenOnly: in.Open, Limit: in.Limit, After: in.After, Now: a.Now()})
			if err != nil {
				return nil, err
			}
			page := &Alerts{Tenant: v.tenant, Alerts: make([]Alert, 0, len(found)), Next: next}
			for _, one := range found {
				page.Alerts = append(page.Alerts, alertOf(one, v.isAdmin()))
			}
			return page, nil
		})
}

// alertOf is an alert as an admin, or another user, may see it.
func alertOf(a history.Alert, isAdmin bool) Alert {
	alert := Alert{
		ID: a.ID, Limit: a.Limit, User: a.Owner.User, Group: a.Owner.Group, APIKey: a.Owner.Key, PeriodStart: a.PeriodStart.UTC(), PeriodEnd: a.PeriodEnd.UTC(), Action: a.Action, AtPercent: a.AtPercent,
		Amount: usd(a.Amount), Spent: usd(a.Spent), Message: a.Message, Muted: a.Muted, RaisedAt: a.RaisedAt.UTC(), ResolvedAt: utc(a.ResolvedAt), Resolution: a.Resolution,
	}
	if seen := a.Acknowledged; seen != nil {
		alert.AcknowledgedAt, alert.AcknowledgedBy = utc(&seen.At), seen.By
	}
	if muting := a.Muting; muting != nil {
		alert.MutedUntil, alert.MutedAt, alert.MutedBy = utc(&muting.Until), utc(&muting.At), muting.By
	}
	if !isAdmin {
		alert.AcknowledgedBy, alert.MutedBy = "", ""
	}
	return alert
}

func utc(at *time.Time) *time.Time {
	if at == nil {
		return nil
	}
	t := at.UTC()
	return &t
}

func (*Alerts) head() []string {
	return []string{
		"id", "limit", "user", "group", "api_key", "period_start", "period_end", "action", "at_percent", "amount_usd", "spent_usd", "message", "muted",
		"raised_at", "resolved_at", "resolution", "acknowledged_at", "acknowledged_by", "muted_until", "muted_at", "muted_by",
	}
}

func (a *Alerts) rows() [][]string {
	all := make([][]string, 0, len(a.Alerts))
	for _, one := range a.Alerts {
		all = append(all, []string{
			one.ID, one.Limit, one.User, one.Group, one.APIKey, one.PeriodStart.Format(time.RFC3339), one.PeriodEnd.Format(time.RFC3339), one.Action,
			strconv.Itoa(int(one.AtPercent)), one.Amount.USD, one.Spent.USD, one.Message, strconv.FormatBool(one.Muted),
			one.RaisedAt.Format(time.RFC3339Nano), rfc3339(one.ResolvedAt), one.Resolution,
			rfc3339(one.AcknowledgedAt), one.AcknowledgedBy, rfc3339(one.MutedUntil), rfc3339(one.MutedAt), one.MutedBy,
		})
	}
	return all
}
