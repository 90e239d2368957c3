package history

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
)

// Alert is a rung of a limit that was reached, or a limit that was spent in full, in one period.
type Alert struct {
	ID, Limit string
	// Owner is whose spending it was.
	Owner limiterv1.Owner
	// PeriodStart and PeriodEnd bound the period in which it was spent.
	PeriodStart, PeriodEnd time.Time
	// Action is that of the rung, or Exhaust.
	Action    string
	AtPercent int32
	// Amount is the limit's, and Spent what was spent, when it was seen.
	Amount, Spent money.Nanos
	Message       string
	// Muted is whether nobody is told of the alert, because there were too many.
	Muted    bool
	RaisedAt time.Time
	// ResolvedAt is when the cause had gone, and Resolution why; nil and empty while it is open.
	ResolvedAt *time.Time
	Resolution string
	// Acknowledged is the first acknowledgement, and Muting the latest muting; nil if there is
	// none, or if the muting is over.
	Acknowledged *Marked
	Muting       *Marked
}

// Marked is what somebody has said about an alert.
type Marked struct {
	By string
	At time.Time
	// Until is when the muting ends; zero for an acknowledgement.
	Until time.Time
}

// AlertDelivery is a message about an alert that was, or is to be, sent to a recipient.
type AlertDelivery struct {
	ledgerv1.Recipient
	// Resolves is whether it says that the cause has gone.
	Resolves bool
	Attempts int
	// NextAttemptAt is when it is tried next, unless it was delivered or abandoned.
	NextAttemptAt            time.Time
	DeliveredAt, AbandonedAt *time.Time
	// LastError is why it was not delivered.
	LastError string
}

// ErrNoAlert means that there is no alert with the ID.
var ErrNoAlert = errors.New("there is no such alert")

// AlertQuery says which alerts are listed.
type AlertQuery struct {
	// OpenOnly leaves out those that are resolved.
	OpenOnly bool
	// Limit is how many are returned at most; 0 is DefaultPage.
	Limit int
	// After is the Next of the page before; empty for the first page.
	After string
	// Now is the moment by which a muting is over or not.
	Now time.Time
}

const alertColumns = `
SELECT a.alert_id::text, a.limit_name, a.user_id, a.group_name, a.credential, a.period_start, a.period_end, a.action, a.at_percent, a.amount_nanos, a.spent_nanos,
       a.message, a.muted, a.raised_at, a.resolved_at, coalesce(a.resolution, ''),
       coalesce(seen.marked_by, ''), coalesce(seen.marked_at, 'epoch'), coalesce(muting.marked_by, ''), coalesce(muting.marked_at, 'epoch'), coalesce(muting.muted_until, 'epoch')
FROM cost_alerts AS a
LEFT JOIN LATERAL (
  SELECT marked_by, marked_at FROM alert_marks AS m WHERE m.alert_id = a.alert_id AND m.mark = 'Acknowledge' ORDER BY marked_at LIMIT 1) AS seen ON true
LEFT JOIN LATERAL alert_muting(a) AS muting ON muting.muted_until > @now`

const alertsOf = alertColumns + `
WHERE a.tenant_id = @tenant AND (@all OR a.resolved_at IS NULL) AND (a.raised_at, a.alert_id::text) < (@at, @id)
ORDER BY a.raised_at DESC, a.alert_id::text DESC
LIMIT @limit`

var alertList = newestFirst[Alert]{"alerts", alertsOf, scanAlert, func(a Alert) cursor { return cursor{a.RaisedAt, a.ID} }}

// Alerts lists the alerts of a tenant that may be read, newest first, and returns the After of
// the next page; empty on the last one. It fails with an ErrQuery where the query is invalid.
func (r *Reader) Alerts(ctx context.Context, as As, query AlertQuery) (alerts []Alert, next string, err error) {
	return alertList.page(ctx, r, as, query.Limit, query.After, pgx.NamedArgs{"all": !query.OpenOnly, "now": query.Now})
}

// Alert is an alert of a tenant that may be read, with whether it is muted at a moment, and, for
// an admin, its deliveries. It fails with ErrNoAlert if there is none with the ID, or none that
// may be read.
func (r *Reader) Alert(ctx context.Context, as As, id string, now time.Time) (alert Alert, deliveries []AlertDelivery, err error) {
	if err := as.validate(); err != nil {
		return Alert{}, nil, err
	}
	args := pgx.NamedArgs{"tenant": as.Tenant, "id": id, "now": now}
	err = r.read(ctx, as, func(tx pgx.Tx) (err error) {
		found := false
		if alert, found, err = one(ctx, tx, alertColumns+" WHERE a.tenant_id = @tenant AND a.alert_id::text = @id", args, scanAlert); err != nil {
			return err
		}
		if !found {
			return ErrNoAlert
		}
		deliveries, err = collect(ctx, tx, deliveriesOf, args, scanAlertDelivery)
		return err
	})
	if err != nil {
		return Alert{}, nil, fmt.Errorf("read an alert of tenant %s: %w", as.Tenant, err)
	}
	return alert, deliveries, nil
}

const deliveriesOf = `
SELECT channel, recipient, resolves, attempts, next_attempt_at, delivered_at, abandoned_at, last_error
FROM alert_deliveries
WHERE tenant_id = @tenant AND alert_id::text = @id
ORDER BY resolves, channel, recipient`

func scanAlertDelivery(row pgx.CollectableRow) (d AlertDelivery, err error) {
	err = row.Scan(&d.Channel, &d.Address, &d.Resolves, &d.Attempts, &d.NextAttemptAt, &d.DeliveredAt, &d.AbandonedAt, &d.LastError)
	return d, err
}

func scanAlert(row pgx.CollectableRow) (a Alert, err error) {
	var seen, muting Marked
	err = row.Scan(&a.ID, &a.Limit, &a.Owner.User, &a.Owner.Group, &a.Owner.Key, &a.PeriodStart, &a.PeriodEnd, &a.Action, &a.AtPercent, &a.Amount, &a.Spent, &a.Message, &a.Muted,
		&a.RaisedAt, &a.ResolvedAt, &a.Resolution, &seen.By, &seen.At, &muting.By, &muting.At, &muting.Until)
	if seen.By != "" {
		a.Acknowledged = &seen
	}
	if muting.By != "" {
		a.Muting = &muting
	}
	return a, err
}
