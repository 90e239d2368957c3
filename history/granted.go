package history

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
)

// Grant is a BudgetGrant that is on record.
type Grant struct {
	// Namespace and Name are those of the object.
	Namespace, Name string
	Limit           string
	// Owner is the owner that has more, for a limit that counts owners; the zero Owner stands
	// for every one of them.
	Owner  limiterv1.Owner
	Amount money.Nanos
	// Currency and AmountWritten are the amount as the BudgetGrant states it.
	Currency, AmountWritten string
	Reason                  string
	// CreatedBy are the users who asked for it, as the API server authenticated them; none if
	// that is not on record.
	CreatedBy           []string
	CreatedAt, StartsAt time.Time
	ExpiresAt           time.Time
	// WithdrawnAt is when the object was deleted; nil while it stands.
	WithdrawnAt *time.Time
}

// mostGrants is how many grants are listed, the last to end first.
const mostGrants = 1000

const allGrantsOf = `
SELECT namespace, grant_name, limit_name, coalesce(user_id, ''), coalesce(group_name, ''), coalesce(credential, ''), amount_nanos, currency, amount_written,
       reason, created_by, created_at, coalesce(starts_at, created_at), expires_at, withdrawn_at
FROM budget_grants
WHERE tenant_id = @tenant AND (@all OR expires_at > @at AND withdrawn_at IS NULL)
ORDER BY expires_at DESC, grant_uid
LIMIT @most`

// Grants are the grants of a tenant that may be read: at most mostGrants, the last to end first.
// Without all, it leaves out those that have ended or were taken back by the moment.
func (r *Reader) Grants(ctx context.Context, as As, all bool, at time.Time) (grants []Grant, err error) {
	if err := as.validate(); err != nil {
		return nil, err
	}
	args := pgx.NamedArgs{"tenant": as.Tenant, "all": all, "at": at, "most": mostGrants}
	err = r.read(ctx, as, func(tx pgx.Tx) (err error) {
		grants, err = collect(ctx, tx, allGrantsOf, args, func(row pgx.CollectableRow) (g Grant, err error) {
			err = row.Scan(&g.Namespace, &g.Name, &g.Limit, &g.Owner.User, &g.Owner.Group, &g.Owner.Key, &g.Amount, &g.Currency, &g.AmountWritten,
				&g.Reason, &g.CreatedBy, &g.CreatedAt, &g.StartsAt, &g.ExpiresAt, &g.WithdrawnAt)
			return g, err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the grants of tenant %s: %w", as.Tenant, err)
	}
	return grants, nil
}

const spentByOne = `
SELECT coalesce(sum(cost_nanos), 0)::bigint
FROM ai_usage_logs
WHERE tenant_id = @tenant AND user_id = @user AND admitted_at >= @start AND admitted_at < @end
  AND ` + isSelected

// SpentOf is what a user has spent of a limit of each user in the period that the limit is in,
// by the ledger, which lacks calls that are still open. REQUIRES: the limit is one that
// LimitsAt has returned for the tenant of as.
func (r *Reader) SpentOf(ctx context.Context, as As, limit Limit, user string) (spent money.Nanos, err error) {
	if err := as.validate(); err != nil {
		return 0, err
	}
	args := selecting(limit.Selector, pgx.NamedArgs{"tenant": as.Tenant, "user": user, "start": limit.Span.Start, "end": limit.Span.End})
	err = r.read(ctx, as, func(tx pgx.Tx) error { return tx.QueryRow(ctx, spentByOne, args).Scan(&spent) })
	if err != nil {
		return 0, fmt.Errorf("add up what user %s of tenant %s spent of limit %s: %w", user, as.Tenant, limit.Name, err)
	}
	return spent, nil
}
