package budgetstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
)

// Deliveries are what is to be delivered of alerts, and to whom.
type Deliveries struct{ pool *pgxpool.Pool }

// NewDeliveries makes Deliveries.
func NewDeliveries(pool *pgxpool.Pool) *Deliveries { return &Deliveries{pool: pool} }

// Delivery is one recipient who is to be told of alerts of one rung, in one message.
type Delivery struct {
	// ID is the same at every attempt.
	ID string
	// Attempt is how often it was taken, this time included.
	Attempt int
	Recipient
	// Told is the first of the alerts, and Others are those in the same message: those of the
	// tenant itself before those of users, and of each kind the greatest spending first.
	Told
	Others []Told
	// Tenant has the budget with the UID.
	Tenant, UID string
	// Resolves is whether it says that the cause of the alerts has gone, and not that there is one.
	Resolves bool
	// Since is when there was first something to say.
	Since time.Time
}

// Told is an alert that somebody is told of.
type Told struct {
	Alert
	// AlertID is the same for all recipients of the alert.
	AlertID  string
	RaisedAt time.Time
}

// All are the alerts of the delivery.
func (d Delivery) All() []Told { return append([]Told{d.Told}, d.Others...) }

// BundledFor is how long after a recipient was told of a rung its next alerts are gathered,
// to be told in one message.
const BundledFor = time.Minute

// Of many managers, one takes a row: the others skip rows that are locked, and a row that was
// taken is not due before its lease is over, which also covers a manager that has died.
// Deliveries that were never tried go before those that have failed, because they are likelier to
// succeed. What was tried together is tried together again, and with nothing else, so that a
// message is the same at every attempt. What is muted waits until it no longer is.
const takeDelivery = `
WITH due AS (
  SELECT d.delivery_id, d.attempts, d.bundle, d.tenant_id, d.channel, d.recipient, a.budget_uid, a.action, a.at_percent
  FROM alert_deliveries AS d JOIN cost_alerts AS a USING (alert_id)
  WHERE d.delivered_at IS NULL AND d.abandoned_at IS NULL AND d.next_attempt_at <= now() AND d.tenant_id <> ALL (@busy)
    AND (d.resolves OR NOT alert_is_muted(a))
    AND (d.bundle IS NOT NULL OR NOT EXISTS (
      SELECT FROM alert_deliveries AS earlier JOIN cost_alerts AS b USING (alert_id)
      WHERE earlier.delivered_at > now() - @bundled_for::interval AND NOT earlier.resolves
        AND (earlier.tenant_id, earlier.channel, earlier.recipient, b.budget_uid, b.action, b.at_percent)
          = (d.tenant_id, d.channel, d.recipient, a.budget_uid, a.action, a.at_percent)))
  ORDER BY d.attempts > 0, d.next_attempt_at LIMIT 1
  FOR UPDATE OF d SKIP LOCKED
), message AS (
  SELECT d.delivery_id
  FROM due, alert_deliveries AS d JOIN cost_alerts AS a USING (alert_id)
  WHERE d.delivery_id = due.delivery_id
    OR d.delivered_at IS NULL AND d.abandoned_at IS NULL AND d.bundle IS NOT DISTINCT FROM due.bundle
      AND (d.bundle IS NOT NULL OR NOT alert_is_muted(a))
      AND (d.tenant_id, d.channel, d.recipient, a.budget_uid, a.action, a.at_percent)
        = (due.tenant_id, due.channel, due.recipient, due.budget_uid, due.action, due.at_percent)
  FOR UPDATE OF d SKIP LOCKED
), taken AS (
  UPDATE alert_deliveries AS d
  SET attempts = due.attempts + 1, next_attempt_at = now() + @lease::interval, bundle = coalesce(due.bundle, due.delivery_id)
  FROM due, message
  WHERE d.delivery_id = message.delivery_id
  RETURNING d.*
)
SELECT d.bundle::text, d.attempts, d.channel, d.recipient, d.resolves, CASE WHEN d.resolves THEN coalesce(a.resolved_at, now()) ELSE a.raised_at END,
  a.alert_id::text, a.tenant_id, a.budget_uid, a.raised_at,
  a.limit_name, a.amount_nanos, a.action, a.at_percent, a.user_id, a.group_name, a.credential, a.period_start, a.period_end, a.spent_nanos, a.message,
  coalesce(a.request_id::text, '')
FROM taken AS d JOIN cost_alerts AS a USING (alert_id)
ORDER BY a.user_id || a.group_name || a.credential <> '', a.spent_nanos DESC, a.limit_name, a.user_id, a.group_name, a.credential`

// Take takes a delivery that is due, for as long as the lease: nobody else is
// given it meanwhile. Those of tenants that are busy are left out. It returns nil when none
// is due.
func (ds *Deliveries) Take(ctx context.Context, lease time.Duration, busy ...string) (*Delivery, error) {
	if busy == nil {
		busy = []string{} // nothing compares with NULL
	}
	rows, err := ds.pool.Query(ctx, takeDelivery, pgx.NamedArgs{"lease": lease, "busy": busy, "bundled_for": BundledFor})
	if err != nil {
		return nil, fmt.Errorf("take a delivery of an alert: %w", err)
	}
	var d Delivery
	var t Told
	var all []Told
	if _, err := pgx.ForEachRow(rows, []any{
		&d.ID, &d.Attempt, &d.Channel, &d.Address, &d.Resolves, &d.Since, &t.AlertID, &d.Tenant, &d.UID, &t.RaisedAt,
		&t.Limit, &t.Amount, &t.Action, &t.AtPercent, &t.Owner.User, &t.Owner.Group, &t.Owner.Key, &t.Period.Start, &t.Period.End, &t.Spent, &t.Message, &t.RequestID,
	}, func() error {
		all = append(all, t)
		return nil
	}); err != nil {
		return nil, fmt.Errorf("take a delivery of an alert: %w", err)
	}
	if len(all) == 0 {
		return nil, nil
	}
	d.Told, d.Others = all[0], all[1:]
	return &d, nil
}

// announceResolutions looks only at what was resolved after any delivery of it was last tried.
const announceResolutions = `
INSERT INTO alert_deliveries (alert_id, tenant_id, channel, recipient, bundle, resolves)
SELECT DISTINCT ON (d.bundle) d.alert_id, d.tenant_id, d.channel, d.recipient, d.bundle, true
FROM cost_alerts AS a JOIN alert_deliveries AS d USING (alert_id)
WHERE a.resolved_at > now() - @looks_back::interval AND d.channel = @channel AND NOT d.resolves AND d.delivered_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM alert_deliveries AS other JOIN cost_alerts AS b USING (alert_id) WHERE other.bundle = d.bundle AND b.resolved_at IS NULL)
  AND NOT EXISTS (SELECT FROM alert_deliveries AS said WHERE said.bundle = d.bundle AND said.resolves)
ORDER BY d.bundle, d.alert_id
ON CONFLICT (alert_id, channel, recipient, resolves) DO NOTHING`

// AnnounceResolutions adds a delivery to PagerDuty for each message that it was sent of alerts
// whose causes have all gone since. It must run at least once in the time that it looks back.
func (ds *Deliveries) AnnounceResolutions(ctx context.Context, looksBack time.Duration) (added int64, err error) {
	tag, err := ds.pool.Exec(ctx, announceResolutions, pgx.NamedArgs{"looks_back": looksBack, "channel": ledgerv1.PagerDuty})
	if err != nil {
		return 0, fmt.Errorf("look for alerts whose resolution is to be told: %w", err)
	}
	return tag.RowsAffected(), nil
}

const abandonMuted = `
UPDATE alert_deliveries AS d SET abandoned_at = now(), last_error = 'the alert was muted until its cause had gone'
FROM cost_alerts AS a
WHERE a.alert_id = d.alert_id AND d.delivered_at IS NULL AND d.abandoned_at IS NULL AND NOT d.resolves
  AND a.resolved_at IS NOT NULL AND alert_is_muted(a)`

// AbandonMuted gives up the deliveries of alerts whose cause has gone while they were muted.
func (ds *Deliveries) AbandonMuted(ctx context.Context) error {
	if _, err := ds.pool.Exec(ctx, abandonMuted); err != nil {
		return fmt.Errorf("abandon the deliveries of muted alerts: %w", err)
	}
	return nil
}

// Delivered notes that a delivery was made.
func (ds *Deliveries) Delivered(ctx context.Context, d Delivery) error {
	const delivered = `UPDATE alert_deliveries SET delivered_at = now(), last_error = '' WHERE bundle = $1::uuid AND delivered_at IS NULL`
	if _, err := ds.pool.Exec(ctx, delivered, d.ID); err != nil {
		return fmt.Errorf("record that an alert was delivered: %w", err)
	}
	return nil
}

// PutOff notes why a delivery could not be made, and after which pause it is to be
// tried again. It changes nothing if somebody else has taken it since.
func (ds *Deliveries) PutOff(ctx context.Context, d Delivery, why string, pause time.Duration) error {
	const putOff = `
UPDATE alert_deliveries SET last_error = @why, next_attempt_at = now() + @pause
WHERE bundle = @id::uuid AND attempts = @attempt AND delivered_at IS NULL`
	return ds.end(ctx, putOff, d, pgx.NamedArgs{"why": why, "pause": pause})
}

// Abandon notes that a delivery will not be made, and why.
func (ds *Deliveries) Abandon(ctx context.Context, d Delivery, why string) error {
	const abandon = `
UPDATE alert_deliveries SET last_error = @why, abandoned_at = now()
WHERE bundle = @id::uuid AND attempts = @attempt AND delivered_at IS NULL`
	return ds.end(ctx, abandon, d, pgx.NamedArgs{"why": why})
}

func (ds *Deliveries) end(ctx context.Context, statement string, d Delivery, args pgx.NamedArgs) error {
	args["id"], args["attempt"] = d.ID, d.Attempt
	if _, err := ds.pool.Exec(ctx, statement, args); err != nil {
		return fmt.Errorf("record that an alert was not delivered: %w", err)
	}
	return nil
}

// Muted is how many alerts of the delivery's rung were recorded at about the same time but are
// not sent, because they were too many. Alerts of short periods, which are sent once a day, do
// not count.
func (ds *Deliveries) Muted(ctx context.Context, d Delivery) (n int, err error) {
	const muted = `
SELECT count(*) FROM cost_alerts
WHERE tenant_id = @tenant AND budget_uid = @uid AND (action, at_percent) = (@action, @percent) AND muted
  AND raised_at BETWEEN @at::timestamptz - @around::interval AND @at::timestamptz + @around::interval
  AND (request_id IS NOT NULL OR period_end - period_start >= interval '23 hours')`
	err = ds.pool.QueryRow(ctx, muted, pgx.NamedArgs{
		"tenant": d.Tenant, "uid": d.UID, "action": d.Action, "percent": d.AtPercent, "at": d.RaisedAt, "around": BundledFor,
	}).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count the alerts that nobody is told of: %w", err)
	}
	return n, nil
}

// Failing returns, for each budget with a failed delivery that is still pending, the last
// error of the oldest. The keys are the UIDs of budgets.
func (ds *Deliveries) Failing(ctx context.Context) (map[string]string, error) {
	const failing = `
SELECT DISTINCT ON (a.budget_uid) a.budget_uid, d.last_error
FROM alert_deliveries AS d JOIN cost_alerts AS a USING (alert_id)
WHERE d.delivered_at IS NULL AND d.abandoned_at IS NULL AND d.last_error <> ''
ORDER BY a.budget_uid, a.raised_at, d.channel, d.recipient`
	rows, err := ds.pool.Query(ctx, failing)
	if err != nil {
		return nil, fmt.Errorf("look for failed deliveries: %w", err)
	}
	found, uid, why := map[string]string{}, "", ""
	if _, err := pgx.ForEachRow(rows, []any{&uid, &why}, func() error {
		found[uid] = why
		return nil
	}); err != nil {
		return nil, fmt.Errorf("look for failed deliveries: %w", err)
	}
	return found, nil
}

// Spender is a user, and what the user has spent.
type Spender struct {
	User  string
	Spent money.Nanos
}

// TopSpenders are the users of a tenant who have spent most on calls that were admitted in a
// period, by the ledger, most first.
func (ds *Deliveries) TopSpenders(ctx context.Context, tenant string, span period.Span, most int) ([]Spender, error) {
	const top = `
SELECT user_id, sum(cost_nanos)::bigint FROM ai_usage_logs
WHERE tenant_id = @tenant AND admitted_at >= @start AND admitted_at < @end
GROUP BY user_id HAVING sum(cost_nanos) > 0 ORDER BY 2 DESC, 1 LIMIT @most`
	rows, err := ds.pool.Query(ctx, top, pgx.NamedArgs{"tenant": tenant, "start": span.Start, "end": span.End, "most": most})
	if err != nil {
		return nil, fmt.Errorf("find who has spent most: %w", err)
	}
	spenders, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Spender])
	if err != nil {
		return nil, fmt.Errorf("find who has spent most: %w", err)
	}
	return spenders, nil
}
