package budgetstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
)

// Deliveries are what is to be delivered of alerts, and to whom.
type Deliveries struct{ pool *pgxpool.Pool }

// NewDeliveries makes Deliveries.
func NewDeliveries(pool *pgxpool.Pool) *Deliveries { return &Deliveries{pool: pool} }

// Delivery is one recipient who is to be told of one alert.
type Delivery struct {
	// ID is the same at every attempt.
	ID string
	// Attempt is how often it was taken, this time included.
	Attempt int
	Recipient
	Alert
	// AlertID is the same for all recipients of the alert.
	AlertID string
	// Tenant has the budget with the UID.
	Tenant, UID string
	RaisedAt    time.Time
}

// Among many managers one takes a row: a row that is locked is passed over, and one
// that was taken is not due. That ends with the lease, should who took it have died. What was
// never tried goes before what has failed: it is likelier to be taken.
const takeDelivery = `
WITH due AS (
  SELECT delivery_id FROM alert_deliveries
  WHERE delivered_at IS NULL AND abandoned_at IS NULL AND next_attempt_at <= now() AND tenant_id <> ALL (@busy)
  ORDER BY attempts > 0, next_attempt_at LIMIT 1
  FOR UPDATE SKIP LOCKED
)
UPDATE alert_deliveries AS d SET attempts = d.attempts + 1, next_attempt_at = now() + @lease
FROM due, cost_alerts AS a
WHERE d.delivery_id = due.delivery_id AND a.alert_id = d.alert_id
RETURNING d.delivery_id::text, d.attempts, d.channel, d.recipient, a.alert_id::text, a.tenant_id, a.budget_uid, a.raised_at,
  a.limit_name, a.amount_nanos, a.action, a.at_percent, a.user_id, a.period_start, a.period_end, a.spent_nanos, a.message`

// Take takes a delivery that is due, for as long as the lease: nobody else is
// given it meanwhile. Those of tenants that are busy are left out. It returns nil when none
// is due.
func (ds *Deliveries) Take(ctx context.Context, lease time.Duration, busy ...string) (*Delivery, error) {
	if busy == nil {
		busy = []string{} // nothing compares with NULL
	}
	var d Delivery
	err := ds.pool.QueryRow(ctx, takeDelivery, pgx.NamedArgs{"lease": lease, "busy": busy}).Scan(
		&d.ID, &d.Attempt, &d.Channel, &d.Address, &d.AlertID, &d.Tenant, &d.UID, &d.RaisedAt,
		&d.Limit, &d.Amount, &d.Action, &d.AtPercent, &d.User, &d.Period.Start, &d.Period.End, &d.Spent, &d.Message)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("take a delivery of an alert: %w", err)
	}
	return &d, nil
}

// Delivered notes that a delivery was made.
func (ds *Deliveries) Delivered(ctx context.Context, d Delivery) error {
	const delivered = `UPDATE alert_deliveries SET delivered_at = now(), last_error = '' WHERE delivery_id = $1::uuid AND delivered_at IS NULL`
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
WHERE delivery_id = @id::uuid AND attempts = @attempt AND delivered_at IS NULL`
	return ds.end(ctx, putOff, d, pgx.NamedArgs{"why": why, "pause": pause})
}

// Abandon notes that a delivery will not be made, and why.
func (ds *Deliveries) Abandon(ctx context.Context, d Delivery, why string) error {
	const abandon = `
UPDATE alert_deliveries SET last_error = @why, abandoned_at = now()
WHERE delivery_id = @id::uuid AND attempts = @attempt AND delivered_at IS NULL`
	return ds.end(ctx, abandon, d, pgx.NamedArgs{"why": why})
}

func (ds *Deliveries) end(ctx context.Context, statement string, d Delivery, args pgx.NamedArgs) error {
	args["id"], args["attempt"] = d.ID, d.Attempt
	if _, err := ds.pool.Exec(ctx, statement, args); err != nil {
		return fmt.Errorf("record that an alert was not delivered: %w", err)
	}
	return nil
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

// TopSpenders are the users of a tenant who have spent most of the calls that were admitted in
// a period, by the ledger, most first.
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
