package history

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
)

// Limit is a money limit as it was in force at some moment.
type Limit struct {
	limiterv1.MoneyLimit
	// Tenant is whose limit it was.
	Tenant string
	// Trip is the spent amount from which on calls were refused; nil if there was no Trip rung.
	Trip *money.Nanos
	// Span is the period that the moment lies in.
	Span period.Span
	// Generation is that of the TenantBudget that brought the limit.
	Generation int64
}

// For is the limit as it was for an owner at a moment: its amount includes grants, and the Trip rung is at the
// same percentage of that.
func (l Limit) For(owner limiterv1.Owner, at time.Time) Limit {
	base := l.Amount
	l.MoneyLimit, _ = l.At(at, owner)
	if l.Trip != nil && l.Amount != base {
		trip := l.Amount.Share(int32(l.Trip.Percent(base)))
		l.Trip = &trip
	}
	return l
}

// Refuses reports whether a limit with these amounts spent and held refuses a bound, and whether it does
// because the Trip rung was reached.
func (l Limit) Refuses(spent, held, bound money.Nanos) (refuses, tripped bool) {
	tripped = l.Trip != nil && limiterv1.Reached(spent, *l.Trip)
	return tripped || !l.Fits(spent, held, bound), tripped
}

const limitsAt = `
SELECT limit_name, per, period, time_zone, amount_nanos, tiers, models, groups, labels, trip_nanos, generation
FROM budget_limits
WHERE tenant_id = @tenant AND valid_from <= @at AND (valid_to IS NULL OR valid_to > @at)
ORDER BY array_position(ARRAY['Tenant', 'User', 'Group', 'Key'], per), limit_name`

// LimitsAt are the money limits of a tenant that were in force at a moment, with what was
// granted then.
func (r *Reader) LimitsAt(ctx context.Context, tenant string, at time.Time) (limits []Limit, err error) {
	grants, err := r.grants(ctx, tenant, at, at.Add(time.Millisecond))
	if err != nil {
		return nil, err
	}
	err = r.forTenant(ctx, tenant, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, limitsAt, pgx.NamedArgs{"tenant": tenant, "at": at})
		if err != nil {
			return err
		}
		limits, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Limit, error) {
			l := Limit{Tenant: tenant}
			var zoneName string
			err := row.Scan(&l.Name, &l.Per, &l.Period, &zoneName, &l.Amount, &l.Tiers, &l.Models, &l.Groups, &l.Labels, &l.Trip, &l.Generation)
			if err != nil {
				return l, err
			}
			l.Grants = grants[l.Name]
			zone, err := period.Zone(zoneName)
			if err == nil {
				l.Span = period.Containing(l.Period, zone, at)
			}
			return l, err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the limits of tenant %s: %w", tenant, err)
	}
	return limits, nil
}

const standing = `
SELECT coalesce(sum(cost_nanos) FILTER (WHERE settled_at <= @at), 0)::bigint,
       coalesce(sum(held_nanos) FILTER (WHERE settled_at > @at), 0)::bigint
FROM ai_usage_logs
WHERE tenant_id = @tenant AND admitted_at >= @start AND (admitted_at, call_id) < (@at, @call)
  AND (@level::text = tenant_id OR @level::text = ANY(ancestors))
  AND (@user::text = '' OR user_id = @user)
  AND (@group::text = '' OR @group = ANY(groups))
  AND (@key::text = '' OR credential = @key)
  AND ` + isSelected

// Standing is what an owner had spent and held of a limit when a call was admitted or refused, by the ledger,
// which lacks calls that are still open. The tenants must be all those whose calls count against the limit.
func (r *Reader) Standing(ctx context.Context, limit Limit, owner limiterv1.Owner, call Call, tenants ...Tenant) (spent, held money.Nanos, err error) {
	for _, tenant := range tenants {
		if tenant.Name != limit.Tenant && (limit.Per != limiterv1.PerTenant || !slices.Contains(tenant.Ancestors, limit.Tenant)) {
			continue
		}
		args := selecting(limit.Selector, pgx.NamedArgs{
			"tenant": tenant.Name, "level": limit.Tenant, "start": limit.Span.Start, "at": call.At, "call": call.ID,
			"user": owner.User, "group": owner.Group, "key": owner.Key,
		})
		var s, h money.Nanos
		err := r.forTenant(ctx, tenant.Name, func(tx pgx.Tx) error {
			return tx.QueryRow(ctx, standing, args).Scan(&s, &h)
		})
		if err != nil {
			return 0, 0, fmt.Errorf("add up what tenant %s had spent of limit %s: %w", tenant.Name, limit.Name, err)
		}
		spent, held = spent+s, held+h
	}
	return spent, held, nil
}
