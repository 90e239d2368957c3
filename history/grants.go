package history

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

const grantsOf = `
SELECT limit_name, grant_name, coalesce(user_id, ''), coalesce(group_name, ''), coalesce(credential, ''), amount_nanos, coalesce(starts_at, created_at),
       least(expires_at, coalesce(withdrawn_at, expires_at))
FROM budget_grants
WHERE tenant_id = @tenant AND coalesce(starts_at, created_at) < @to AND expires_at > @from AND (withdrawn_at IS NULL OR withdrawn_at > @from)
ORDER BY created_at, grant_uid`

// grants are the grants of a tenant that were in force at some time from a moment on
// and before another, by the name of the limit.
func (r *Reader) grants(ctx context.Context, tenant string, from, to time.Time) (map[string][]limiterv1.Grant, error) {
	grants := map[string][]limiterv1.Grant{}
	err := r.forTenant(ctx, tenant, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, grantsOf, pgx.NamedArgs{"tenant": tenant, "from": from, "to": to})
		if err != nil {
			return err
		}
		var limit string
		var g limiterv1.Grant
		_, err = pgx.ForEachRow(rows, []any{&limit, &g.Name, &g.User, &g.Group, &g.Key, &g.Amount, &g.StartsAt, &g.ExpiresAt}, func() error {
			grants[limit] = append(grants[limit], g)
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the grants of tenant %s: %w", tenant, err)
	}
	return grants, nil
}

// Granted is the document with the grants that were in force at some time in a
// stretch of time, in place of its own.
func (r *Reader) Granted(ctx context.Context, document limiterv1.Tenant, from, to time.Time) (limiterv1.Tenant, error) {
	document.Ancestors = slices.Clone(document.Ancestors)
	levels := []*limiterv1.Level{&document.Level}
	for i := range document.Ancestors {
		levels = append(levels, &document.Ancestors[i])
	}
	for _, level := range levels {
		grants, err := r.grants(ctx, level.Tenant, from, to)
		if err != nil {
			return limiterv1.Tenant{}, err
		}
		level.Money = slices.Clone(level.Money)
		for i := range level.Money {
			level.Money[i].Grants = grants[level.Money[i].Name]
		}
	}
	return document, nil
}
