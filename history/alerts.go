package history

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

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
	// Muted is whether nobody is told.
	Muted    bool
	RaisedAt time.Time
	// ResolvedAt is when the cause had gone, and Resolution why; nil and empty while it is open.
	ResolvedAt *time.Time
	Resolution string
}

// AlertQuery says which alerts are listed.
type AlertQuery struct {
	// OpenOnly leaves out those that are resolved.
	OpenOnly bool
	// Limit is how many are returned at most; 0 is DefaultPage.
	Limit int
	// After is the Next of the page before; empty for the first page.
	After string
}

const alertsOf = `
SELECT alert_id::text, limit_name, user_id, group_name, credential, period_start, period_end, action, at_percent, amount_nanos, spent_nanos, message, muted,
       raised_at, resolved_at, coalesce(resolution, '')
FROM cost_alerts
WHERE tenant_id = @tenant AND (@all OR resolved_at IS NULL) AND (raised_at, alert_id::text) < (@at, @id)
ORDER BY raised_at DESC, alert_id::text DESC
LIMIT @limit`

// Alerts lists the alerts of a tenant that may be read, newest first, and returns the After of
// the next page; empty on the last one. It fails with an ErrQuery where the query is invalid.
func (r *Reader) Alerts(ctx context.Context, as As, query AlertQuery) (alerts []Alert, next string, err error) {
	limit := cmp.Or(query.Limit, DefaultPage)
	after := cursor{at: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}
	if query.After != "" {
		if after, err = parseCursor(query.After); err != nil {
			return nil, "", err
		}
	}
	if err := as.validate(); err != nil {
		return nil, "", err
	}
	args := pgx.NamedArgs{"tenant": as.Tenant, "all": !query.OpenOnly, "at": after.at, "id": after.id, "limit": limit}
	err = r.read(ctx, as, func(tx pgx.Tx) (err error) {
		alerts, err = collect(ctx, tx, alertsOf, args, scanAlert)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list the alerts of tenant %s: %w", as.Tenant, err)
	}
	if len(alerts) == limit {
		last := alerts[limit-1]
		next = cursor{last.RaisedAt, last.ID}.String()
	}
	return alerts, next, nil
}

func scanAlert(row pgx.CollectableRow) (a Alert, err error) {
	err = row.Scan(&a.ID, &a.Limit, &a.Owner.User, &a.Owner.Group, &a.Owner.Key, &a.PeriodStart, &a.PeriodEnd, &a.Action, &a.AtPercent, &a.Amount, &a.Spent, &a.Message, &a.Muted,
		&a.RaisedAt, &a.ResolvedAt, &a.Resolution)
	return a, err
}
