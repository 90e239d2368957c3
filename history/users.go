package history

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
)

// OwnerUsage is how far a user, a group or an APIKey has used a limit that counts each of them.
type OwnerUsage struct {
	Owner limiterv1.Owner
	Spent money.Nanos
	// Amount is that of the limit, with the grants of the owner.
	Amount money.Nanos
}

// compared is how many of the owners that have spent most are compared: because of grants, the
// one who has used most of the limit may not be the one who has spent most.
const compared = 20

const usedByOwner = `
SELECT %[1]s, sum(cost_nanos)::bigint
FROM ai_usage_logs%[2]s
WHERE tenant_id = @tenant AND admitted_at >= @start AND admitted_at <= @at
  AND (@isAny OR %[1]s = ANY(@counted))
  AND ` + isSelected + `
GROUP BY %[1]s HAVING %[1]s <> '' AND sum(cost_nanos) > 0
ORDER BY 2 DESC, 1 LIMIT @most`

// MostUsed is the user, group or APIKey that has used the largest part of a limit in the period
// of a moment, by the ledger; nil if nobody has used any. REQUIRES: the limit is one that
// LimitsAt has returned for the moment, and is not per tenant.
func (r *Reader) MostUsed(ctx context.Context, limit Limit, at time.Time) (worst *OwnerUsage, err error) {
	args := selecting(limit.Selector, pgx.NamedArgs{
		"tenant": limit.Tenant, "start": limit.Span.Start, "at": at, "most": compared,
		"isAny": limit.Per != limiterv1.PerGroup || len(limit.Groups) == 0, "counted": orNone(limit.Groups),
	})
	err = r.forTenant(ctx, limit.Tenant, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, byOwner(usedByOwner, limit.Per), args)
		if err != nil {
			return err
		}
		var name string
		var spent money.Nanos
		_, err = pgx.ForEachRow(rows, []any{&name, &spent}, func() error {
			owner := limiterv1.OwnerOf(limit.Per, name)
			used := OwnerUsage{Owner: owner, Spent: spent, Amount: limit.For(owner, at).Amount}
			if worst == nil || used.percent() > worst.percent() {
				worst = &used
			}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find who has used most of limit %s of tenant %s: %w", limit.Name, limit.Tenant, err)
	}
	return worst, nil
}

func (u OwnerUsage) percent() int64 { return u.Spent.Percent(u.Amount) }
