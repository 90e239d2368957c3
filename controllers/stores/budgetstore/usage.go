package budgetstore

import (
	"context"
	"errors"
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

// AddQuarter makes the sums of each user for the next quarter of an hour that is over, and returns until when
// there are such sums now; false if there is no such quarter.
func (u *Usage) AddQuarter(ctx context.Context) (until time.Time, added bool, err error) {
	return u.step(ctx, "SELECT sum_users()", "add up what users used")
}

// AddPast makes sums that are missing: of calls from before there were sums, and of tenants whose time
// zone was changed, the latest first. It returns the day that it added up, as its midnight by UTC; false
// if no sums are missing.
func (u *Usage) AddPast(ctx context.Context) (day time.Time, added bool, err error) {
	return u.step(ctx, "SELECT roll_up_past()::timestamp AT TIME ZONE 'UTC'", "add up what was used before")
}

// UnknownZones makes the sums of tenants whose time zone Postgres does not know, or no longer knows, follow
// UTC, so that those of other tenants are added up. It returns the time zones of such tenants.
func (u *Usage) UnknownZones(ctx context.Context) (byTenant map[string]string, err error) {
	rows, _ := u.pool.Query(ctx, "SELECT tenant, zone FROM leave_unknown_zones()") // ForEachRow has the error
	byTenant = map[string]string{}
	var tenant, zone string
	if _, err := pgx.ForEachRow(rows, []any{&tenant, &zone}, func() error { byTenant[tenant] = zone; return nil }); err != nil {
		return nil, fmt.Errorf("look for time zones that Postgres does not know: %w", unanswered(err))
	}
	return byTenant, nil
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

// AddChanges adds up to so many changes to the sums, and returns how many there were; 0 if another process is
// adding them.
func (u *Usage) AddChanges(ctx context.Context, most int) (added int, err error) {
	if err := u.pool.QueryRow(ctx, "SELECT coalesce(roll_up_usage($1), 0)", most).Scan(&added); err != nil {
		return 0, fmt.Errorf("roll up what was used: %w", unanswered(err))
	}
	return added, nil
}

// Used is what a tenant used on a day, over all its calls.
type Used struct {
	Calls, Refused, Tokens int64
	Cost, Held             money.Nanos
}

// dayOf is when a day of a tenant's calendar begins and ends, and when the third of the month begins that the
// day lies in; nothing if there are no sums of that day yet.
const dayOf = `
SELECT zone, usage_day(zone, @day::date), usage_day(zone, @day::date + 1), usage_span(zone, 14400, usage_day(zone, @day::date)), users_until
FROM usage_calendars AS c, usage_progress WHERE tenant_id = @tenant AND c.complete_from <= usage_day(zone, @day::date)`

// usedOf adds up what a tenant used on a day: by the ledger, and by each of the sums that should say the
// same. Sums of a third of a month are compared after those of its other days were subtracted, as if these
// were right.
var usedOf = strings.NewReplacer("TOKENS", strings.Join(ledgerv1.TokenColumns(), " + ")).Replace(`
WITH spans (summed_by, minutes, of_users) AS (
  SELECT '', 0, false UNION ALL SELECT summed_by, unnest(minutes), of_users FROM usage_kinds()
), ledger AS (
  SELECT admitted_at AS at, 1 AS calls, 0 AS refused, TOKENS AS tokens, cost_nanos, held_nanos
  FROM ai_usage_logs WHERE tenant_id = @tenant AND admitted_at >= @begins AND admitted_at < @ends
  UNION ALL
  SELECT refused_at, 0, 1, 0, 0, 0
  FROM ai_refusals WHERE tenant_id = @tenant AND refused_at >= @begins AND refused_at < @ends
), used AS (
  SELECT '' AS summed_by, 0 AS minutes, calls, refused, tokens, cost_nanos, held_nanos FROM ledger
  UNION ALL
  SELECT summed_by, minutes, sums.* FROM spans CROSS JOIN LATERAL (
    SELECT calls, refused, TOKENS AS tokens, cost_nanos, held_nanos FROM usage_sums AS s
    WHERE tenant_id = @tenant AND s.summed_by = spans.summed_by AND s.minutes = spans.minutes AND starts_at >= @begins AND starts_at < @ends OFFSET 0) AS sums
  WHERE minutes <> 14400
  UNION ALL
  SELECT summed_by, minutes, sums.* FROM spans CROSS JOIN LATERAL (
    SELECT calls, refused, TOKENS AS tokens, cost_nanos, held_nanos FROM usage_sums AS s
    WHERE tenant_id = @tenant AND s.summed_by = spans.summed_by AND s.minutes = 14400 AND starts_at = @third OFFSET 0) AS sums
  WHERE minutes = 14400
  UNION ALL
  SELECT summed_by, minutes, sums.* FROM spans CROSS JOIN LATERAL (
    SELECT -calls, -refused, -(TOKENS), -cost_nanos, -held_nanos FROM usage_sums AS s
    WHERE tenant_id = @tenant AND s.summed_by = spans.summed_by AND s.minutes = 1440 AND starts_at >= @third AND starts_at < @third + interval '12 days'
      AND NOT (starts_at >= @begins AND starts_at < @ends) AND usage_span(@zone, 14400, starts_at) = @third OFFSET 0) AS sums
  WHERE minutes = 14400
  UNION ALL
  SELECT summed_by, minutes, calls, refused, TOKENS, cost_nanos, held_nanos
  FROM usage_changes JOIN spans ON summed_by <> '' AND of_users = (user_id IS NOT NULL)
  WHERE tenant_id = @tenant AND starts_at >= @begins AND starts_at < @ends
  UNION ALL
  SELECT summed_by, minutes, calls, refused, tokens, cost_nanos, held_nanos
  FROM ledger, spans WHERE at >= @users_until AND of_users
)
SELECT spans.summed_by, spans.minutes, coalesce(sum(calls), 0)::bigint, coalesce(sum(refused), 0)::bigint, coalesce(sum(tokens), 0)::bigint,
       coalesce(sum(cost_nanos), 0)::bigint, coalesce(sum(held_nanos), 0)::bigint
FROM spans LEFT JOIN used USING (summed_by, minutes)
GROUP BY 1, 2 ORDER BY 1, 2`)

// UsedOn returns what the ledger says that a tenant used on a day of its calendar, in its time zone,
// and the first of the sums that says something else. Both are the same if none does, or if there are
// no sums of that day yet. Only the date of day is used.
func (r *LedgerReader) UsedOn(ctx context.Context, tenant string, day time.Time) (recorded, summed Used, err error) {
	var all []Used
	atOnce := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, r.pool, atOnce, func(tx pgx.Tx) error {
		var zone string
		var begins, ends, third, usersUntil time.Time
		err := tx.QueryRow(ctx, dayOf, pgx.NamedArgs{"tenant": tenant, "day": day.Format(time.DateOnly)}).Scan(&zone, &begins, &ends, &third, &usersUntil)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, usedOf, pgx.NamedArgs{ // CollectRows has the error
			"tenant": tenant, "zone": zone, "begins": begins, "ends": ends, "third": third, "users_until": usersUntil,
		})
		all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (used Used, err error) {
			var summedBy string
			var minutes int
			err = row.Scan(&summedBy, &minutes, &used.Calls, &used.Refused, &used.Tokens, &used.Cost, &used.Held)
			return used, err
		})
		return err
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
