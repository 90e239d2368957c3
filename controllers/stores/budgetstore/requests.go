package budgetstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
)

// Requests are what users ask for beyond their limits, and what becomes of it.
type Requests struct{ pool *pgxpool.Pool }

// NewRequests makes Requests.
func NewRequests(pool *pgxpool.Pool) *Requests { return &Requests{pool: pool} }

// Request is what a user of a tenant asks for.
type Request struct {
	ID, Tenant, User, Limit string
	// Amount is how much more, as it is written in the currency of the budget.
	Amount string
	Reason string
	// RequestedAt is when it was asked for, and ExpiresAt until when.
	RequestedAt, ExpiresAt time.Time
	// Decision is what became of it; nil if nobody has decided.
	Decision *Decided
}

// Decided is what an admin has decided of a request.
type Decided struct {
	Approved bool
	// By is who decided, and Reason what they said.
	By, Reason string
	At         time.Time
	// Amount is how much more was granted, as it is written, and ExpiresAt until when; what was asked
	// for, where it was declined.
	Amount    string
	ExpiresAt time.Time
}

// decisionsAreToldFor is how long after a decision people are still told of it, if no manager has led
// meanwhile.
const decisionsAreToldFor = 72 * time.Hour

const untold = `
SELECT r.request_id::text, r.tenant_id, r.user_id, r.limit_name, r.amount, r.reason, r.requested_at, r.expires_at,
  d.request_id IS NOT NULL, coalesce(d.approved, false), coalesce(d.decided_by, ''), coalesce(d.reason, ''), coalesce(d.decided_at, 'epoch'),
  coalesce(d.granted_amount, r.amount), coalesce(d.granted_until, r.expires_at)
FROM budget_requests AS r LEFT JOIN budget_decisions AS d USING (request_id)
WHERE CASE WHEN d.request_id IS NULL THEN r.expires_at > now() ELSE d.decided_at > now() - @told_for::interval END
  AND EXISTS (SELECT FROM tenants AS t WHERE t.tenant_id = r.tenant_id AND t.withdrawn_at IS NULL)
  AND NOT EXISTS (
    SELECT FROM cost_alerts AS a
    WHERE a.request_id = r.request_id AND a.action = CASE WHEN d.request_id IS NULL THEN @request ELSE @decision END)
ORDER BY row_number() OVER (PARTITION BY r.tenant_id ORDER BY r.requested_at), r.tenant_id
LIMIT @most`

// mostUntold is how many requests Untold returns at most.
const mostUntold = 1000

// Untold returns requests that people have to be told of: open ones without an alert, and decided
// ones without an alert of the decision. It returns mostUntold at most, the first of each tenant
// before the second of any, so that requests that wait for a tenant's TenantBudget do not hold
// back those of other tenants. Requests of tenants that no TenantBudget has are left out.
func (r *Requests) Untold(ctx context.Context) ([]Request, error) {
	rows, err := r.pool.Query(ctx, untold, pgx.NamedArgs{
		"told_for": decisionsAreToldFor, "request": ledgerv1.Requested, "decision": ledgerv1.RequestDecided, "most": mostUntold,
	})
	if err != nil {
		return nil, fmt.Errorf("look for requests that nobody was told of: %w", err)
	}
	all, err := pgx.CollectRows(rows, scanRequest)
	if err != nil {
		return nil, fmt.Errorf("look for requests that nobody was told of: %w", err)
	}
	return all, nil
}

func scanRequest(row pgx.CollectableRow) (r Request, err error) {
	var d Decided
	isDecided := false
	err = row.Scan(&r.ID, &r.Tenant, &r.User, &r.Limit, &r.Amount, &r.Reason, &r.RequestedAt, &r.ExpiresAt, &isDecided, &d.Approved, &d.By, &d.Reason, &d.At, &d.Amount, &d.ExpiresAt)
	if isDecided {
		r.Decision = &d
	}
	return r, err
}

// EndAlerts resolves the alerts of requests that are decided or have expired.
func (r *Requests) EndAlerts(ctx context.Context) error {
	const end = `
UPDATE cost_alerts AS a SET resolved_at = now(), resolution = CASE WHEN d.request_id IS NULL THEN @expired ELSE @decided END
FROM budget_requests AS r LEFT JOIN budget_decisions AS d USING (request_id)
WHERE a.request_id = r.request_id AND a.resolved_at IS NULL AND (d.request_id IS NOT NULL OR r.expires_at <= now())`
	if _, err := r.pool.Exec(ctx, end, pgx.NamedArgs{"expired": ledgerv1.PeriodTurned, "decided": ledgerv1.Decided}); err != nil {
		return fmt.Errorf("resolve the alerts of requests: %w", err)
	}
	return nil
}
