package history

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bursar-dev/bursar/api/money"
)

// UserUsage is how far a user has used a limit of each user.
type UserUsage struct {
	User  string
	Spent money.Nanos
	// Amount is the limit's, with what was granted to the user.
	Amount money.Nanos
}

// compared is how many of the users who have spent most are looked at: a grant may make
// another than the first the one who has used most of the limit.
const compared = 20

const usedByUser = `
SELECT user_id, sum(cost_nanos)::bigint
FROM ai_usage_logs
WHERE tenant_id = @tenant AND admitted_at >= @start AND admitted_at <= @at
  AND (cardinality(@tiers::text[]) = 0 OR tier = ANY(@tiers))
  AND (cardinality(@models::text[]) = 0 OR ` + modelOf + ` = ANY(@models))
GROUP BY user_id HAVING sum(cost_nanos) > 0
ORDER BY 2 DESC, 1 LIMIT @most`

// MostUsed is the user who has used the largest part of a limit of each user in the period
// that a moment lies in, by the ledger; nil if nobody has used any.
// REQUIRES: the limit is one that LimitsAt has returned for the moment, and is per user.
func (r *Reader) MostUsed(ctx context.Context, limit Limit, at time.Time) (worst *UserUsage, err error) {
	args := pgx.NamedArgs{
		"tenant": limit.Tenant, "start": limit.Span.Start, "at": at, "most": compared,
		"tiers": orNone(limit.Tiers), "models": orNone(limit.Models),
	}
	err = r.forTenant(ctx, limit.Tenant, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, usedByUser, args)
		if err != nil {
			return err
		}
		var user string
		var spent money.Nanos
		_, err = pgx.ForEachRow(rows, []any{&user, &spent}, func() error {
			used := UserUsage{User: user, Spent: spent, Amount: limit.For(user, at).Amount}
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

func (u UserUsage) percent() int64 { return u.Spent.Percent(u.Amount) }
