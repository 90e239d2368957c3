package history

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/history/replay"
)

// spentByOwner is what was spent of what a limit counts, by the owners of its scope.
const spentByOwner = `
SELECT %[1]s, sum(cost_nanos)::bigint
FROM ai_usage_logs%[2]s
WHERE tenant_id = @tenant AND admitted_at >= @start AND admitted_at < @from AND settled_at < @settled
  AND (@level::text = tenant_id OR @level::text = ANY(ancestors))
  AND ` + isSelected + `
GROUP BY %[1]s ORDER BY 1`

// Opening is what the tenants had spent at a moment, in the current period of each money
// limit of the document, for replay.History.Opening.
func (r *Reader) Opening(
	ctx context.Context, document limiterv1.Tenant, from time.Time, tenants ...Tenant,
) ([]replay.Opening, error) {
	var opening []replay.Opening
	for _, level := range append([]limiterv1.Level{document.Level}, document.Ancestors...) {
		zone, err := period.Zone(level.TimeZone)
		if err != nil {
			return nil, fmt.Errorf("tenant %s: time zone %q: %w", level.Tenant, level.TimeZone, err)
		}
		for _, limit := range level.Money {
			start := period.Containing(limit.Period, zone, from).Start
			for _, tenant := range tenants {
				if tenant.Name != level.Tenant && (limit.Per != limiterv1.PerTenant || !slices.Contains(tenant.Ancestors, level.Tenant)) {
					continue
				}
				spent, err := r.spent(ctx, tenant.Name, level.Tenant, limit, start, from)
				if err != nil {
					return nil, err
				}
				opening = append(opening, spent...)
			}
		}
	}
	return opening, nil
}

// spent is what a tenant had spent of a limit, by owner.
func (r *Reader) spent(
	ctx context.Context, tenant, level string, limit limiterv1.MoneyLimit, start, from time.Time,
) (spent []replay.Opening, err error) {
	err = r.forTenant(ctx, tenant, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, byOwner(spentByOwner, limit.Per), selecting(limit.Selector, pgx.NamedArgs{
			"tenant": tenant, "level": level, "start": start, "from": from, "settled": from.Add(-replay.Lag),
		}))
		if err != nil {
			return err
		}
		spent, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (replay.Opening, error) {
			o := replay.Opening{Tenant: level, Limit: limit.Name}
			var name string
			err := row.Scan(&name, &o.Spent)
			o.Owner = limiterv1.OwnerOf(limit.Per, name)
			return o, err
		})
		spent = slices.DeleteFunc(spent, func(o replay.Opening) bool { return o.Owner.Scope() != limit.Per || !limit.CountsFor(o.Owner) })
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("add up what tenant %s had spent of limit %s: %w", tenant, limit.Name, err)
	}
	return spent, nil
}
