package budgetstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/money"
)

// Usage are the sums of what was used.
type Usage struct{ pool *pgxpool.Pool }

// NewUsage makes Usage.
func NewUsage(pool *pgxpool.Pool) *Usage { return &Usage{pool: pool} }

// AddQuarter makes the sums of each user of the next quarter of an hour that is over, and
// returns until when there are such sums then; false if there is no such quarter.
func (u *Usage) AddQuarter(ctx context.Context) (until time.Time, added bool, err error) {
	return u.step(ctx, "SELECT sum_users()", "add up what users used")
}

// AddPast makes sums of calls of which there are none: of those from before there were any, and of
// tenants whose time zone was changed, the last ones first. It returns the last day that it added up, as
// its midnight by UTC; false if there are no such calls any more.
func (u *Usage) AddPast(ctx context.Context) (day time.Time, added bool, err error) {
	return u.step(ctx, "SELECT roll_up_past()::timestamp AT TIME ZONE 'UTC'", "add up what was used before")
}

func (u *Usage) step(ctx context.Context, query, what string) (at time.Time, done bool, err error) {
	var found *time.Time
	if err := u.pool.QueryRow(ctx, query).Scan(&found); err != nil {
		return time.Time{}, false, fmt.Errorf("%s: %w", what, unanswered(err))
	}
	if found == nil {
		return time.Time{}, false, nil
	}
	return *found, true, nil
}

// AddChanges adds up to so many changes to the sums, and returns how many there were; 0 if
// somebody else is just at it.
func (u *Usage) AddChanges(ctx context.Context, most int) (added int, err error) {
	if err := u.pool.QueryRow(ctx, "SELECT coalesce(roll_up_usage($1), 0)", most).Scan(&added); err != nil {
		return 0, fmt.Errorf("roll up what was used: %w", unanswered(err))
	}
	return added, nil
}

// Used are sums over the calls of a tenant, of a day.
type Used struct {
	Calls, Refused, Tokens int64
	Cost, Held             money.Nanos
}

// usedOf are the sums of a tenant and a day of its calendar: of the ledger, and each time that sums say
// the same. Those of a third of a month are compared with those of its days, as if the others were right.
var usedOf = strings.NewReplacer("TOKENS", strings.Join(ledgerv1.TokenColumns(), " + ")).Replace(`
WITH calendar AS (
  SELECT zone, c.complete_from, users_until, usage_day(zone, @day::date) AS begins, usage_day(zone, @day::date + 1) AS ends,
         usage_span(zone, 14400, usage_day(zone, @day::date)) AS third
  FROM usage_calendars AS c, usage_progress WHERE tenant_id = @tenant
), spans (summed_by, minutes, of_users) AS (
  SELECT '', 0, false UNION ALL SELECT summed_by, unnest(minutes), of_users FROM usage_kinds()
), ledger AS (
  SELECT admitted_at AS at, 1 AS calls, 0 AS refused, TOKENS AS tokens, cost_nanos, held_nanos
  FROM ai_usage_logs, calendar WHERE tenant_id = @tenant AND admitted_at >= begins AND admitted_at < ends
  UNION ALL
  SELECT refused_at, 0, 1, 0, 0, 0
  FROM ai_refusals, calendar WHERE tenant_id = @tenant AND refused_at >= begins AND refused_at < ends
), sums AS (
  SELECT s.summed_by, s.minutes, starts_at, calls, refused, TOKENS AS tokens, cost_nanos, held_nanos, calendar.*
  FROM calendar, spans JOIN usage_sums AS s USING (summed_by, minutes)
  WHERE tenant_id = @tenant AND starts_at >= third AND starts_at < third + interval '12 days'
), used AS (
  SELECT '' AS summed_by, 0 AS minutes, calls, refused, tokens, cost_nanos, held_nanos FROM ledger
  UNION ALL
  SELECT summed_by, minutes, calls, refused, tokens, cost_nanos, held_nanos
  FROM sums WHERE starts_at >= begins AND starts_at < ends AND minutes <> 14400
  UNION ALL
  SELECT summed_by, minutes, calls, refused, tokens, cost_nanos, held_nanos
  FROM sums WHERE minutes = 14400 AND starts_at = third
  UNION ALL
  SELECT summed_by, 14400, -calls, -refused, -tokens, -cost_nanos, -held_nanos
  FROM sums WHERE minutes = 1440 AND NOT (starts_at >= begins AND starts_at < ends) AND usage_span(zone, 14400, starts_at) = third
  UNION ALL
  SELECT summed_by, minutes, calls, refused, TOKENS, cost_nanos, held_nanos
  FROM calendar, usage_changes JOIN spans ON summed_by <> '' AND of_users = (user_id IS NOT NULL)
  WHERE tenant_id = @tenant AND starts_at >= begins AND starts_at < ends
  UNION ALL
  SELECT summed_by, minutes, calls, refused, tokens, cost_nanos, held_nanos
  FROM ledger, calendar, spans WHERE at >= users_until AND of_users
)
SELECT spans.summed_by, spans.minutes, coalesce(sum(calls), 0)::bigint, coalesce(sum(refused), 0)::bigint, coalesce(sum(tokens), 0)::bigint,
       coalesce(sum(cost_nanos), 0)::bigint, coalesce(sum(held_nanos), 0)::bigint
FROM spans LEFT JOIN used USING (summed_by, minutes)
WHERE (SELECT complete_from <= begins FROM calendar)
GROUP BY 1, 2 ORDER BY 1, 2`)

// UsedOn is what the ledger says that a tenant used on a day of its calendar, which is that of its time
// zone, and the first of the sums that say something else; the same where none does, or where there are
// no sums of that day yet. Of day, the date is read.
func (r *LedgerReader) UsedOn(ctx context.Context, tenant string, day time.Time) (recorded, summed Used, err error) {
	rows, _ := r.pool.Query(ctx, usedOf, pgx.NamedArgs{"tenant": tenant, "day": day.Format(time.DateOnly)}) // CollectRows has the error
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (used Used, err error) {
		var summedBy string
		var minutes int
		err = row.Scan(&summedBy, &minutes, &used.Calls, &used.Refused, &used.Tokens, &used.Cost, &used.Held)
		return used, err
	})
	if err != nil {
		return recorded, summed, fmt.Errorf("compare the sums of tenant %s with the ledger: %w", tenant, unanswered(err))
	}
	for i, used := range all {
		if i == 0 || used != all[0] {
			recorded, summed = all[0], used
		}
		if used != all[0] {
			break
		}
	}
	return recorded, summed, nil
}
