package budgetstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bursar-dev/bursar/api/money"
)

// Anomalies read the sums of what was used, of each user.
type Anomalies struct{ pool *pgxpool.Pool }

// NewAnomalies makes Anomalies.
func NewAnomalies(pool *pgxpool.Pool) *Anomalies { return &Anomalies{pool: pool} }

// Summed is until when there are sums of each user.
func (a *Anomalies) Summed(ctx context.Context) (until time.Time, err error) {
	if err := a.pool.QueryRow(ctx, "SELECT users_until FROM usage_progress").Scan(&until); err != nil {
		return until, fmt.Errorf("read how far the sums of users have come: %w", err)
	}
	return until, nil
}

// UserHour is what a user used within an hour.
type UserHour struct {
	User           string
	Start          time.Time
	Cost           money.Nanos
	Calls, Refused int64
	// Since is the beginning of the day on which the user first called or, if that is later, when the sums
	// begin to be complete: earlier ones lack some of what was used.
	Since time.Time
}

// Hours returns what the users of a tenant used in some hours of UTC, without the hours in which a user
// did not call. If the tenant's time zone is half an hour off, an hour is the one of that zone in which
// the hour of UTC begins.
func (a *Anomalies) Hours(ctx context.Context, tenant string, hours []time.Time) ([]UserHour, error) {
	const used = `
SELECT user_id, hour, sum_of(cost_nanos), sum_of(calls), sum_of(refused),
  greatest(least(complete_from, now()), (SELECT min(first.starts_at) FROM usage_sums AS first
   WHERE first.tenant_id = @tenant AND first.user_id = s.user_id AND first.summed_by = 'User' AND first.minutes = 1440))
FROM usage_calendars JOIN usage_sums AS s USING (tenant_id) JOIN unnest(@hours::timestamptz[]) AS hour ON starts_at = usage_span(zone, 60, hour)
WHERE tenant_id = @tenant AND summed_by = 'User' AND minutes = 60
GROUP BY user_id, hour, complete_from
ORDER BY user_id, hour`
	rows, err := a.pool.Query(ctx, used, pgx.NamedArgs{"tenant": tenant, "hours": hours})
	if err != nil {
		return nil, fmt.Errorf("read what users of tenant %s used: %w", tenant, err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[UserHour])
	if err != nil {
		return nil, fmt.Errorf("read what users of tenant %s used: %w", tenant, err)
	}
	return all, nil
}

// UsedKeys returns the APIKeys of a tenant, as namespace/name, that were used on the days of its calendar
// that begin at since or later. They are not complete if some calls since then are not in the sums yet.
func (a *Anomalies) UsedKeys(ctx context.Context, tenant string, since time.Time) (keys map[string]bool, isComplete bool, err error) {
	const used = `
SELECT coalesce((SELECT complete_from <= @since FROM usage_calendars WHERE tenant_id = @tenant), true), ARRAY(
  SELECT DISTINCT credential FROM usage_sums
  WHERE tenant_id = @tenant AND summed_by = 'User' AND minutes = 1440 AND starts_at >= @since)`
	var names []string
	if err := a.pool.QueryRow(ctx, used, pgx.NamedArgs{"tenant": tenant, "since": since}).Scan(&isComplete, &names); err != nil {
		return nil, false, fmt.Errorf("read which keys of tenant %s were used: %w", tenant, err)
	}
	keys = map[string]bool{}
	for _, name := range names {
		keys[name] = true
	}
	return keys, isComplete, nil
}
