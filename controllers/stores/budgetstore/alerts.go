package budgetstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Alert is a rung of a limit that is reached, in one period of the limit.
type Alert struct {
	Rung
	// Owner is whose spending it is.
	Owner limiterv1.Owner
	// Period is the period of the limit in which it was spent.
	Period period.Span
	// Spent is what was spent in it when the rung was seen to be reached.
	Spent money.Nanos
	// Message says it to a person.
	Message string
	// RequestID is that of the request for more that it is about; empty if it is about none.
	RequestID string
}

// Rung is a rung of a limit.
type Rung struct {
	Limit string
	// Amount is that of the limit or, of ledgerv1.Requested and RequestDecided, what is asked for.
	Amount money.Nanos
	// Action is that of the rung, or one of those in api/ledger/v1.
	Action    limiterv1.Action
	AtPercent int32
}

// OwnerRung is a rung of a limit that counts owners.
type OwnerRung struct {
	Rung
	// Owner is the only owner for whom the limit has this rung, because of a grant; zero for a
	// rung of all others.
	Owner limiterv1.Owner
	// Period is the period that the limit is in.
	Period period.Span
}

// Recipient is who is told of an alert, by which channel.
type Recipient = ledgerv1.Recipient

// Recipients are who is told of the alerts of a budget.
func Recipients(alerts *v1alpha1.Alerts) (recipients []Recipient) {
	for _, name := range alerts.Recipients() {
		recipients = append(recipients, ledgerv1.ParseRecipient(string(name)))
	}
	return recipients
}

// Tells reports whether the filters let a recipient be told of a rung: one of those that name
// the recipient selects the rung, or none names the recipient. PagerDuty is never told of a
// decision, because a decision ends the incident of its request.
func Tells(filters []v1alpha1.AlertFilter, recipient Recipient, rung Rung) bool {
	if rung.Action == ledgerv1.RequestDecided && recipient.Channel == ledgerv1.PagerDuty {
		return false
	}
	named := false
	for _, filter := range filters {
		if !slices.Contains(filter.Recipients, v1alpha1.AlertRecipient(recipient.Name())) {
			continue
		}
		named = true
		isSevere := filter.MinSeverity != v1alpha1.SeverityCritical || ledgerv1.IsCritical(rung.Action)
		isOfLimit := len(filter.Limits) == 0 || rung.Action == ledgerv1.ForceOpen || slices.Contains(filter.Limits, rung.Limit)
		if isSevere && isOfLimit {
			return true
		}
	}
	return !named
}

// Alerts are the rows of the rungs that are reached, and of the recipients who are told of them.
type Alerts struct{ pool *pgxpool.Pool }

// NewAlerts makes Alerts.
func NewAlerts(pool *pgxpool.Pool) *Alerts { return &Alerts{pool: pool} }

// TenantAlerts are the alerts of a tenant at one moment.
type TenantAlerts struct {
	// Tenant has the budget with the UID.
	Tenant, UID string
	// Now is the moment by the clock that periods turn by.
	Now time.Time
	// Reached are the rungs that are reached: all that the whole tenant has reached,
	// and any that owners have.
	Reached []Alert
	// OwnerRungs are the rungs of limits that count owners, whether or not one has reached
	// them: an alert about an owner stays unresolved while its rung exists.
	OwnerRungs []OwnerRung
	// Recipients are told of what is new, as far as the filters select it.
	Recipients []Recipient
	Filters    []v1alpha1.AlertFilter
}

// MostAnHour is how many alerts of a tenant are sent within an hour, and how many about its
// owners. Further alerts are recorded, and muted. Requests for more are counted apart, so that
// asking for more keeps nobody from being told of spending.
const MostAnHour = 60

// reachedAlerts are the rungs that are reached as rows.
const reachedAlerts = `
WITH reached AS (
  SELECT * FROM jsonb_to_recordset(@reached) AS r (limit_name text, user_id text, group_name text, credential text, period_start timestamptz,
    period_end timestamptz, action text, at_percent integer, amount_nanos bigint, spent_nanos bigint, message text, request_id uuid)
)`

// reopenAlerts makes alerts unresolved again, such as those of a limit that was raised and is
// now set back. They are not sent again.
const reopenAlerts = reachedAlerts + `
UPDATE cost_alerts AS a SET resolved_at = NULL, resolution = NULL, budget_uid = @uid
FROM reached AS r
WHERE a.tenant_id = @tenant AND (a.resolved_at IS NOT NULL OR a.budget_uid <> @uid)
  AND (a.limit_name, a.user_id, a.group_name, a.credential, a.period_start, a.action, a.at_percent, a.amount_nanos)
    = (r.limit_name, r.user_id, r.group_name, r.credential, r.period_start, r.action, r.at_percent, r.amount_nanos)`

// raiseAlerts inserts the rows of new alerts and of their deliveries. A rung of a limit whose
// period is shorter than a day (which has 23 hours when the clocks change) is sent only once in
// 24 hours: a limit of five minutes must not send mail all day. If several managers insert an
// alert, only the first inserts its deliveries.
const raiseAlerts = reachedAlerts + `, fresh AS (
  SELECT r.*, row_number() OVER (PARTITION BY r.user_id || r.group_name || r.credential = '', r.request_id IS NULL ORDER BY r.spent_nanos DESC) + (
      SELECT count(*) FROM cost_alerts AS a
      WHERE a.tenant_id = @tenant AND NOT a.muted AND a.raised_at > now() - interval '1 hour' AND a.action <> 'Test'
        AND (a.user_id || a.group_name || a.credential = '') = (r.user_id || r.group_name || r.credential = '')
        AND (a.request_id IS NULL) = (r.request_id IS NULL)) > @most
    OR r.request_id IS NULL AND r.period_end - r.period_start < interval '23 hours' AND EXISTS (
      SELECT FROM cost_alerts AS a
      WHERE a.tenant_id = @tenant AND NOT a.muted AND a.raised_at > now() - interval '24 hours'
        AND (a.limit_name, a.user_id, a.group_name, a.credential, a.action, a.at_percent, a.amount_nanos)
          = (r.limit_name, r.user_id, r.group_name, r.credential, r.action, r.at_percent, r.amount_nanos)) AS muted
  FROM reached AS r
  WHERE NOT EXISTS (
    SELECT FROM cost_alerts AS a
    WHERE a.tenant_id = @tenant
      AND (a.limit_name, a.user_id, a.group_name, a.credential, a.period_start, a.action, a.at_percent, a.amount_nanos)
        = (r.limit_name, r.user_id, r.group_name, r.credential, r.period_start, r.action, r.at_percent, r.amount_nanos))
), raised AS (
  INSERT INTO cost_alerts (tenant_id, budget_uid, limit_name, user_id, group_name, credential, period_start, period_end, action, at_percent,
      amount_nanos, spent_nanos, message, request_id, muted)
  SELECT @tenant, @uid, fresh.* FROM fresh
  ON CONFLICT DO NOTHING
  RETURNING alert_id, muted, limit_name, action
), told AS (
  INSERT INTO alert_deliveries (alert_id, tenant_id, channel, recipient)
  SELECT raised.alert_id, @tenant, recipients.channel, recipients.address
  FROM raised JOIN jsonb_to_recordset(@recipients) AS recipients (channel text, address text, limit_name text, action text)
    USING (limit_name, action)
  WHERE NOT raised.muted
)
SELECT count(*) FROM raised`

// resolveAlerts closes the alerts whose cause is gone.
const resolveAlerts = reachedAlerts + `, owner_rungs AS (
  SELECT * FROM jsonb_to_recordset(@owner_rungs) AS r (limit_name text, user_id text, group_name text, credential text, period_start timestamptz,
    action text, at_percent integer, amount_nanos bigint)
)
UPDATE cost_alerts AS a
SET resolved_at = now(), resolution = CASE WHEN period_end <= @now THEN @period_turned ELSE @limit_changed END
WHERE tenant_id = @tenant AND resolved_at IS NULL AND action NOT IN ('Unusual', 'Refusals', 'UnusedKey', 'Request', 'Decision') AND CASE
  WHEN user_id || group_name || credential = '' THEN (limit_name, period_start, action, at_percent, amount_nanos) NOT IN (
    SELECT limit_name, period_start, action, at_percent, amount_nanos FROM reached)
  ELSE NOT EXISTS (
    SELECT FROM owner_rungs AS r
    WHERE (r.limit_name, r.period_start, r.action, r.at_percent, r.amount_nanos)
        = (a.limit_name, a.period_start, a.action, a.at_percent, a.amount_nanos)
      AND ((r.user_id, r.group_name, r.credential) = (a.user_id, a.group_name, a.credential)
        OR r.user_id || r.group_name || r.credential = '' AND NOT EXISTS (
          SELECT FROM owner_rungs AS own
          WHERE (own.limit_name, own.user_id, own.group_name, own.credential) = (a.limit_name, a.user_id, a.group_name, a.credential))))
END`

// Record makes the rows say what is reached now: it raises new alerts, once, even if
// others do so at the same time, and resolves those whose rung is reached no more. It
// returns how many alerts it raised. Recording again changes nothing.
func (a *Alerts) Record(ctx context.Context, alerts TenantAlerts) (raised int, err error) {
	args := alerts.args()
	err = pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
		var batch pgx.Batch
		if len(alerts.Reached) > 0 {
			batch.Queue(reopenAlerts, args)
			batch.Queue(raiseAlerts, args).QueryRow(func(row pgx.Row) error { return row.Scan(&raised) })
		}
		batch.Queue(resolveAlerts, args)
		return tx.SendBatch(ctx, &batch).Close()
	})
	if err != nil {
		return 0, fmt.Errorf("record the alerts of tenant %s: %w", alerts.Tenant, err)
	}
	return raised, nil
}

// Raise raises alerts that are new, and resolves none. It returns how many it raised.
func (a *Alerts) Raise(ctx context.Context, alerts TenantAlerts) (raised int, err error) {
	if err := a.pool.QueryRow(ctx, raiseAlerts, alerts.args()).Scan(&raised); err != nil {
		return 0, fmt.Errorf("raise the alerts of tenant %s: %w", alerts.Tenant, err)
	}
	return raised, nil
}

// EndAnomalies resolves the alerts of what was unusual in periods that are over.
func (a *Alerts) EndAnomalies(ctx context.Context) error {
	const end = `
UPDATE cost_alerts SET resolved_at = now(), resolution = $1
WHERE action IN ('Unusual', 'Refusals', 'UnusedKey') AND resolved_at IS NULL AND period_end <= now()`
	if _, err := a.pool.Exec(ctx, end, ledgerv1.PeriodTurned); err != nil {
		return fmt.Errorf("resolve the alerts of what was unusual: %w", err)
	}
	return nil
}

func (a TenantAlerts) args() pgx.NamedArgs {
	reached, ownerRungs := []map[string]any{}, []map[string]any{}
	for _, alert := range a.Reached {
		row := alert.row()
		addOwner(row, alert.Owner)
		row["spent_nanos"], row["message"] = alert.Spent, alert.Message
		row["period_start"], row["period_end"] = alert.Period.Start, alert.Period.End
		if alert.RequestID != "" {
			row["request_id"] = alert.RequestID
		}
		reached = append(reached, row)
	}
	for _, rung := range a.OwnerRungs {
		row := rung.row()
		addOwner(row, rung.Owner)
		row["period_start"] = rung.Period.Start
		ownerRungs = append(ownerRungs, row)
	}
	return pgx.NamedArgs{
		"tenant": a.Tenant, "uid": a.UID, "now": a.Now, "most": MostAnHour,
		"reached": reached, "owner_rungs": ownerRungs, "recipients": a.told(),
		"period_turned": ledgerv1.PeriodTurned, "limit_changed": ledgerv1.LimitChanged,
	}
}

// told returns which recipients are told of which limit and action, of those that are reached.
func (a TenantAlerts) told() []map[string]any {
	rows, done := []map[string]any{}, map[Rung]bool{}
	for _, alert := range a.Reached {
		of := Rung{Limit: alert.Limit, Action: alert.Action}
		if done[of] {
			continue
		}
		done[of] = true
		for _, r := range a.Recipients {
			if Tells(a.Filters, r, of) {
				rows = append(rows, map[string]any{"channel": r.Channel, "address": r.Address, "limit_name": of.Limit, "action": of.Action})
			}
		}
	}
	return rows
}

func addOwner(row map[string]any, owner limiterv1.Owner) {
	row["user_id"], row["group_name"], row["credential"] = owner.User, owner.Group, owner.Key
}

// row are the columns of a rung.
func (r Rung) row() map[string]any {
	return map[string]any{
		"limit_name": r.Limit, "amount_nanos": r.Amount, "action": r.Action, "at_percent": r.AtPercent,
	}
}

// removeAlerts closes the alerts of a budget that is gone.
const removeAlerts = `
UPDATE cost_alerts SET resolved_at = now(), resolution = @resolution
WHERE tenant_id = @tenant AND budget_uid = @uid AND resolved_at IS NULL`
